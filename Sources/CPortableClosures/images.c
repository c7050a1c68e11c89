// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CPortableClosures.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

struct walk {
    int (*visit)(const cpc_image *, void *);
    void *user;
    int count;
};

static size_t padded(size_t length) {
    return (length + 3) & ~(size_t)3;
}

static void read_build_id(const char *note, const char *end, cpc_image *image) {
    while (note + sizeof(ElfW(Nhdr)) <= end) {
        const ElfW(Nhdr) *header = (const void *)note;
        const char *name = note + sizeof *header;
        const char *content = name + padded(header->n_namesz);
        if (content + header->n_descsz > end) return;
        if (header->n_type == NT_GNU_BUILD_ID && header->n_namesz == 4 && memcmp(name, "GNU", 4) == 0) {
            size_t length = header->n_descsz < sizeof image->build_id ? header->n_descsz : sizeof image->build_id;
            memcpy(image->build_id, content, length);
            image->build_id_length = length;
            return;
        }
        note = content + padded(header->n_descsz);
    }
}

static int describe(struct dl_phdr_info *info, size_t size, void *user) {
    (void)size;
    struct walk *walk = user;
    cpc_image image = {.base = info->dlpi_addr, .start = UINTPTR_MAX, .name = info->dlpi_name};
    // The dynamic linker reports the program itself first.
    image.is_program = walk->count++ == 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t address = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD) {
            if (address < image.start) image.start = address;
            if (address + header->p_memsz > image.end) image.end = address + header->p_memsz;
        } else if (header->p_type == PT_NOTE && image.build_id_length == 0) {
            read_build_id((const char *)address, (const char *)address + header->p_memsz, &image);
        }
    }
    return walk->visit(&image, walk->user);
}

void cpc_each_image(int (*visit)(const cpc_image *, void *), void *user) {
    struct walk walk = {visit, user, 0};
    dl_iterate_phdr(describe, &walk);
}

void *cpc_map_near(const void *address, size_t size) {
    const uintptr_t step = (uintptr_t)1 << 20;
    const uintptr_t page = (uintptr_t)address & ~(uintptr_t)0xfff;
    for (uintptr_t distance = (uintptr_t)1 << 24; distance < (uintptr_t)1 << 30 && distance < page; distance += step) {
        void *wanted = (void *)(page - distance);
        void *got = mmap(
            wanted, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (got == wanted) return got;
        if (got != MAP_FAILED) munmap(got, size);
    }
    return NULL;
}
