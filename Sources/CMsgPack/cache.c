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

typedef struct cache {
    _Atomic(entry *) slots[SLOTS];
} cache;

static cache writers;
static cache readers;

static inline size_t place(const void *key) {
    uint64_t bits = (uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15u;
    return (size_t)(bits >> 54);
}

static inline void *find(cache *cache, const void *key) {
    size_t first = place(key);
    for (size_t probe = 0; probe < PROBES; ++probe) {
        entry *found = atomic_load_explicit(&cache->slots[(first + probe) % SLOTS],
                                            memory_order_acquire);
        if (found == NULL) { return NULL; }
        if (found->key == key) { return found->value; }
    }
    return NULL;
}

static bool has_room(cache *cache, const void *key) {
    size_t first = place(key);
    for (size_t probe = 0; probe < PROBES; ++probe) {
        if (atomic_load_explicit(&cache->slots[(first + probe) % SLOTS], memory_order_relaxed) == NULL) { return true; }
    }
    return false;
}

static bool add(cache *cache, const void *key, void *value) {
    entry *added = malloc(sizeof(entry));
    if (added == NULL) { return false; }
    *added = (entry){key, value};
    size_t first = place(key);
    for (size_t probe = 0; probe < PROBES; ++probe) {
        entry *expected = NULL;
        if (atomic_compare_exchange_strong_explicit(&cache->slots[(first + probe) % SLOTS],
                                                    &expected, added, memory_order_acq_rel, memory_order_acquire)) {
            return true;
        }
        if (expected->key == key) { break; }
    }
    free(added);
    return false;
}

void *cmsgpack_find_writer(const void *key) { return find(&writers, key); }
void *cmsgpack_find_reader(const void *key) { return find(&readers, key); }
bool cmsgpack_has_room_for_reader(const void *key) { return has_room(&readers, key); }
bool cmsgpack_add_writer(const void *key, void *value) { return add(&writers, key, value); }
bool cmsgpack_add_reader(const void *key, void *value) { return add(&readers, key, value); }
