// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#include "CBenchReference.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

uint64_t cbr_spin(uint64_t rounds) {
    uint64_t state = rounds;
    for (uint64_t round = 0; round < rounds; round++) {
        state = (state ^ (state >> 29)) * 0xbf58476d1ce4e5b9u;
        __asm__ volatile("" : "+r"(state));
    }
    return state;
}

static void *spin(void *rounds) {
    cbr_spin(*(uint64_t *)rounds);
    return NULL;
}

int cbr_spin_together(int threads, uint64_t rounds) {
    pthread_t started[64];
    uint64_t share = rounds / (uint64_t)threads;
    int count = 0, failed = 0;
    while (count < threads && count < 64 && !failed) {
        failed = pthread_create(&started[count], NULL, spin, &share);
        if (!failed) count++;
    }
    for (int thread = 0; thread < count; thread++) pthread_join(started[thread], NULL);
    return failed;
}

struct copy {
    int output;
    size_t size;
    size_t count;
};

static void *write_blobs(void *argument) {
    struct copy *copy = argument;
    char *blob = calloc(1, copy->size);
    for (size_t number = 0; blob != NULL && number < copy->count; number++) {
        for (size_t done = 0; done < copy->size;) {
            ssize_t count = write(copy->output, blob + done, copy->size - done);
            if (count <= 0) break;
            done += (size_t)count;
        }
    }
    free(blob);
    close(copy->output);
    return NULL;
}

int cbr_pipe_copy(size_t size, size_t count) {
    int ends[2];
    if (pipe(ends) != 0) return -1;
    struct copy copy = {.output = ends[1], .size = size, .count = count};
    pthread_t writer;
    if (pthread_create(&writer, NULL, write_blobs, &copy) != 0) return -1;
    char *blob = malloc(size);
    size_t total = 0;
    while (blob != NULL) {
        ssize_t got = read(ends[0], blob + total % size, size - total % size);
        if (got <= 0) break;
        total += (size_t)got;
    }
    free(blob);
    pthread_join(writer, NULL);
    close(ends[0]);
    return total == size * count ? 0 : -1;
}
