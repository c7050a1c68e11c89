// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#include "CMsgPack.h"

#include <stdatomic.h>

enum { SEATS = 16 };

// Each in a cache line of its own, and a thread comes back to the same one, so that threads do not wait for each other.
static struct {
    _Alignas(64) _Atomic(void *) object;
} seats[SEATS];

static inline size_t own_seat(void) {
    static _Thread_local char here;
    return (size_t)((uint64_t)(uintptr_t)&here * 0x9e3779b97f4a7c15u >> 60);
}

void *cmsgpack_idle_take(void) {
    size_t own = own_seat();
    for (size_t tried = 0; tried < SEATS; ++tried) {
        _Atomic(void *) *seat = &seats[(own + tried) % SEATS].object;
        if (atomic_load_explicit(seat, memory_order_relaxed) == NULL) { continue; }
        void *object = atomic_exchange_explicit(seat, NULL, memory_order_acquire);
        if (object != NULL) { return object; }
    }
    return NULL;
}

bool cmsgpack_idle_put(void *object) {
    size_t own = own_seat();
    for (size_t tried = 0; tried < SEATS; ++tried) {
        _Atomic(void *) *seat = &seats[(own + tried) % SEATS].object;
        void *expected = NULL;
        if (atomic_load_explicit(seat, memory_order_relaxed) == NULL
            && atomic_compare_exchange_strong_explicit(seat, &expected, object, memory_order_release,
                                                       memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}
