// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#ifndef CPORTABLECLOSURES_H
#define CPORTABLECLOSURES_H

#include <stddef.h>
#include <stdint.h>

/// One executable or shared library mapped into this process.
typedef struct {
    /// What to add to an offset in the file's address space to get an address here.
    uintptr_t base;
    /// First mapped address and the one past the last, over all loaded segments.
    uintptr_t start, end;
    /// File name as the dynamic linker knows it; empty for the program itself. Lives as long as the image is mapped.
    const char *name;
    /// GNU build id, `build_id_length` bytes; 0 when the linker wrote none.
    uint8_t build_id[32];
    size_t build_id_length;
    /// 1 for the program itself.
    int is_program;
} cpc_image;

/// Calls `visit` for each mapped image, the program first, until it returns non-zero.
void cpc_each_image(int (*visit)(const cpc_image *image, void *user), void *user);

/// The type a mangled name stands for, or NULL. The name may hold symbolic references, relative to where it lies.
const void *cpc_type_by_mangled_name(const char *name, size_t length);

/// A heap object of `size` bytes with the given metadata and a reference count of one; its fields are not initialised.
void *cpc_allocate_box(const void *metadata, size_t size, size_t alignment_mask);

/// Frees an object of cpc_allocate_box whose fields have not been initialised (or were destroyed again).
void cpc_deallocate_box(void *box, size_t size, size_t alignment_mask);

/// A reference to `object` more, and one less; both accept any native heap object.
void *cpc_retain(void *object);
void cpc_release(void *object);

/// Maps `size` bytes of memory within reach of a 32-bit offset from `address`; NULL when there is no room.
void *cpc_map_near(const void *address, size_t size);

#endif
