// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CZProc.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

struct czproc_roll {
    // 0 is a free place; one that is kept has the number of the process that keeps it.
    _Atomic(pid_t) places[CZPROC_ROLL_CAPACITY];
};

int czproc_roll_create(void) {
    int descriptor = memfd_create("zproc-roll", MFD_CLOEXEC);
    if (descriptor < 0) return -1;
    if (ftruncate(descriptor, sizeof(czproc_roll)) != 0) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

czproc_roll *czproc_roll_open(int descriptor) {
    void *memory = mmap(NULL, sizeof(czproc_roll), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void czproc_roll_close(czproc_roll *roll) { munmap(roll, sizeof *roll); }

// Counts the processes, and strikes off those that are no more when `is_thorough`.
static int count(czproc_roll *roll, int is_thorough) {
    int number = 0;
    for (int place = 0; place < CZPROC_ROLL_CAPACITY; place++) {
        pid_t process = atomic_load_explicit(&roll->places[place], memory_order_relaxed);
        if (process == 0) continue;
        if (is_thorough && kill(process, 0) != 0 && errno == ESRCH) {
            atomic_compare_exchange_strong(&roll->places[place], &process, 0);
            continue;
        }
        number++;
    }
    return number;
}

// Takes one of the first `limit` places; -1 when none is free.
static int take(czproc_roll *roll, int limit) {
    for (int place = 0; place < CZPROC_ROLL_CAPACITY && place < limit; place++) {
        pid_t nobody = 0;
        if (atomic_load_explicit(&roll->places[place], memory_order_relaxed) == 0
            && atomic_compare_exchange_strong(&roll->places[place], &nobody, getpid())) {
            return place;
        }
    }
    return -1;
}

int czproc_roll_reserve(czproc_roll *roll, int limit) {
    // Others, in other processes, may count the same at the same time. What keeps all within their limit is that no more
    // places are given away; the count is for those who share the roll with others whose limit is higher.
    if (count(roll, 0) < limit) {
        int place = take(roll, limit);
        if (place >= 0) return place;
    }
    return count(roll, 1) < limit ? take(roll, limit) : -1;
}

void czproc_roll_enter(czproc_roll *roll, int place, pid_t process) { atomic_store(&roll->places[place], process); }

void czproc_roll_strike(czproc_roll *roll, int place, pid_t process) {
    // Somebody who counted may have found it gone already, and somebody else may have the place now.
    atomic_compare_exchange_strong(&roll->places[place], &process, 0);
}
