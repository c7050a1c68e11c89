// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#ifndef CSHAREDSTORE_H
#define CSHAREDSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// What the processes of one state share beside its data: the writers' lock, and the word that wakes watchers.
/// A file that each process maps; made anew by whoever opens the state first.
typedef struct cshared_control cshared_control;

/// What is decided by the process that makes the file, and the same for all.
typedef struct {
    uint64_t number;
    uint64_t map_size;
    uint32_t writes_through_map;
    uint32_t sync_mode;
    uint64_t history_count;
    int64_t history_age;
    int64_t history_bytes;
} cshared_settings;

/// Makes the file and maps it. NULL with errno set when that fails.
cshared_control *cshared_create(const char *path, const cshared_settings *settings);

/// Maps the file another process made. NULL with errno set; EPROTO when the file is none of this version.
cshared_control *cshared_open(const char *path);

void cshared_close(cshared_control *control);

const cshared_settings *cshared_settings_of(const cshared_control *control);

// The writers' lock. It belongs to a thread; when that dies, the next one gets it.

/// Takes the lock if it is free now or within about `spins` short pauses.
bool cshared_try_lock(cshared_control *control, int spins);

/// Waits for the lock. Returns 0 or an errno value.
int cshared_lock(cshared_control *control);

void cshared_unlock(cshared_control *control);

// The word that counts commits, and sleeping until it changes.

uint32_t cshared_commits(const cshared_control *control);

/// Tells of a commit: wakes whoever sleeps, in all processes, but for those who sleep deeply.
void cshared_announce(cshared_control *control);

/// Wakes the same though nothing was committed.
void cshared_wake(cshared_control *control);

/// Wakes all sleepers, also those who sleep deeply or are just about to, as if something had been committed.
void cshared_rouse(cshared_control *control);

/// Sleeps until the word is no longer `seen`, at most `milliseconds` (-1: for ever). May return early.
void cshared_sleep(cshared_control *control, uint32_t seen, int milliseconds);

/// The same, but commits do not wake this thread, and cost nothing for its sake: it goes to sleep only while the word is `seen`.
void cshared_sleep_deeply(cshared_control *control, uint32_t seen, int milliseconds);

// How much of the data file has memory behind it; guarded by the lock.

uint64_t cshared_allocated(const cshared_control *control);
void cshared_set_allocated(cshared_control *control, uint64_t bytes);

/// Gives memory or disk blocks to the file up to `bytes`. Returns 0 or an errno value.
int cshared_allocate(int descriptor, uint64_t from, uint64_t bytes);

/// Whether `path` is on a file system in memory, and how many bytes are free there. Returns 0 or an errno value.
int cshared_file_system(const char *path, bool *is_memory, uint64_t *free_bytes);

/// Names the calling thread, for people who look at it from outside.
void cshared_name_thread(const char *name);

#endif
