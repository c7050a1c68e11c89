// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CSharedStore.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

static const uint64_t magic = 0x7a70726f63737431;  // "zprocst1": also the version of this layout

struct cshared_control {
    uint64_t magic;
    uint64_t byte_count;
    cshared_settings settings;
    uint64_t allocated;
    pthread_mutex_t lock;
    // Whether the lock came from a dead owner and nobody has been told yet; for who has the lock.
    bool inherited;
    // On lines of their own: sleepers look at these while others take the lock.
    _Alignas(64) atomic_uint commits;
    atomic_int sleepers;
};

static cshared_control *map(int descriptor) {
    void *memory = mmap(NULL, sizeof(cshared_control), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    int error = errno;
    close(descriptor);
    errno = error;
    return memory == MAP_FAILED ? NULL : memory;
}

cshared_control *cshared_create(const char *path, const cshared_settings *settings) {
    // Never the file of a former run: its lock may be in any state.
    unlink(path);
    int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0) return NULL;
    int error = posix_fallocate(descriptor, 0, sizeof(cshared_control));
    if (error) {
        close(descriptor);
        unlink(path);
        errno = error;
        return NULL;
    }
    cshared_control *control = map(descriptor);
    if (control == NULL) return NULL;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    error = pthread_mutex_init(&control->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    if (error) {
        munmap(control, sizeof *control);
        unlink(path);
        errno = error;
        return NULL;
    }
    control->settings = *settings;
    control->byte_count = sizeof *control;
    atomic_thread_fence(memory_order_release);
    control->magic = magic;
    return control;
}

cshared_control *cshared_open(const char *path) {
    int descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0) return NULL;
    struct stat status;
    if (fstat(descriptor, &status) != 0 || status.st_size < (off_t)sizeof(cshared_control)) {
        close(descriptor);
        errno = EPROTO;
        return NULL;
    }
    cshared_control *control = map(descriptor);
    if (control == NULL) return NULL;
    if (control->magic != magic || control->byte_count != sizeof *control) {
        munmap(control, sizeof *control);
        errno = EPROTO;
        return NULL;
    }
    return control;
}

void cshared_close(cshared_control *control) { munmap(control, sizeof *control); }

const cshared_settings *cshared_settings_of(const cshared_control *control) { return &control->settings; }

// The data is consistent whenever its writer dies, because LMDB's is; so the lock is, too.
static int taken(cshared_control *control, int error) {
    if (error != EOWNERDEAD) return error;
    error = pthread_mutex_consistent(&control->lock);
    if (error == 0) control->inherited = true;
    return error;
}

bool cshared_try_lock(cshared_control *control, int spins) {
    for (int turn = 0;; turn++) {
        if (taken(control, pthread_mutex_trylock(&control->lock)) == 0) return true;
        if (turn >= spins) return false;
        for (int pause = 0; pause < 16; pause++) {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#else
            atomic_signal_fence(memory_order_seq_cst);
#endif
        }
    }
}

int cshared_lock(cshared_control *control) { return taken(control, pthread_mutex_lock(&control->lock)); }

void cshared_unlock(cshared_control *control) {
    // What the dead one committed may not have been told; LMDB knows of it since the heir's transaction began.
    bool inherited = control->inherited;
    control->inherited = false;
    pthread_mutex_unlock(&control->lock);
    if (inherited) cshared_announce(control);
}

uint32_t cshared_commits(const cshared_control *control) {
    return atomic_load_explicit(&((cshared_control *)control)->commits, memory_order_acquire);
}

// Of a futex's 32 kinds of sleepers: those whom a commit wakes, and those whom it does not.
enum { light_sleepers = 1, deep_sleepers = 2 };

static void wake(cshared_control *control, uint32_t kinds) {
    syscall(SYS_futex, &control->commits, FUTEX_WAKE_BITSET, INT32_MAX, NULL, NULL, kinds);
}

void cshared_wake(cshared_control *control) { wake(control, light_sleepers); }

void cshared_announce(cshared_control *control) {
    atomic_fetch_add_explicit(&control->commits, 1, memory_order_seq_cst);
    // Nobody sleeps: nobody is woken. A sleeper that was killed leaves the count too high, which costs a system call.
    if (atomic_load_explicit(&control->sleepers, memory_order_seq_cst) != 0) cshared_wake(control);
}

void cshared_rouse(cshared_control *control) {
    // Changes the word, so that a thread that is about to sleep does not.
    atomic_fetch_add_explicit(&control->commits, 1, memory_order_seq_cst);
    wake(control, light_sleepers | deep_sleepers);
}

// The time is one on the monotonic clock.
static void sleep_while(cshared_control *control, uint32_t seen, int milliseconds, uint32_t kind) {
    struct timespec time;
    if (milliseconds >= 0) {
        clock_gettime(CLOCK_MONOTONIC, &time);
        time.tv_sec += milliseconds / 1000;
        time.tv_nsec += (milliseconds % 1000) * 1000000L;
        if (time.tv_nsec >= 1000000000L) {
            time.tv_sec += 1;
            time.tv_nsec -= 1000000000L;
        }
    }
    syscall(SYS_futex, &control->commits, FUTEX_WAIT_BITSET, seen, milliseconds < 0 ? NULL : &time, NULL, kind);
}

void cshared_sleep(cshared_control *control, uint32_t seen, int milliseconds) {
    atomic_fetch_add_explicit(&control->sleepers, 1, memory_order_seq_cst);
    sleep_while(control, seen, milliseconds, light_sleepers);
    atomic_fetch_sub_explicit(&control->sleepers, 1, memory_order_seq_cst);
}

void cshared_sleep_deeply(cshared_control *control, uint32_t seen, int milliseconds) {
    sleep_while(control, seen, milliseconds, deep_sleepers);
}

void cshared_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

uint64_t cshared_allocated(const cshared_control *control) { return control->allocated; }

void cshared_set_allocated(cshared_control *control, uint64_t bytes) { control->allocated = bytes; }

int cshared_allocate(int descriptor, uint64_t from, uint64_t bytes) {
    if (bytes <= from) return 0;
    // The length stays: LMDB takes an empty file for a new one. The plain call, not posix_fallocate: where it is not supported there is no slow writing instead.
    int result;
    do {
        result = fallocate(descriptor, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(bytes - from));
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

int cshared_file_system(const char *path, bool *is_memory, uint64_t *free_bytes) {
    struct statfs status;
    if (statfs(path, &status) != 0) return errno;
    *is_memory = status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC;
    *free_bytes = (uint64_t)status.f_bavail * (uint64_t)status.f_bsize;
    return 0;
}
