// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#include "CMsgPack.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { SLOTS = 1024, PROBES = 16 };

// A slot is filled once, by compare-and-exchange, and never changes again; so readers need no lock.
typedef struct entry {
    const void *key;
    void *value;
} entry;

static inline size_t place(const void *key) {
    uint64_t bits = (uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15u;
    return (size_t)(bits >> 54);
}

void *cmsgpack_cache_find(cmsgpack_cache *cache, const void *key) {
    size_t first = place(key);
    for (size_t probe = 0; probe < PROBES; ++probe) {
        entry *found = atomic_load_explicit((_Atomic(entry *) *)&cache->slots[(first + probe) % SLOTS],
                                            memory_order_acquire);
        if (found == NULL) { return NULL; }
        if (found->key == key) { return found->value; }
    }
    return NULL;
}

bool cmsgpack_cache_add(cmsgpack_cache *cache, const void *key, void *value) {
    entry *added = malloc(sizeof(entry));
    if (added == NULL) { return false; }
    *added = (entry){key, value};
    size_t first = place(key);
    for (size_t probe = 0; probe < PROBES; ++probe) {
        entry *expected = NULL;
        if (atomic_compare_exchange_strong_explicit((_Atomic(entry *) *)&cache->slots[(first + probe) % SLOTS],
                                                    &expected, added, memory_order_acq_rel, memory_order_acquire)) {
            return true;
        }
        if (expected->key == key) { break; }
    }
    free(added);
    return false;
}

static cmsgpack_cache writers;
static cmsgpack_cache readers;

cmsgpack_cache *cmsgpack_writer_cache(void) { return &writers; }
cmsgpack_cache *cmsgpack_reader_cache(void) { return &readers; }
