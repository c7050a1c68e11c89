// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

// What the figures of zproc-bench are held against: the same work in plain C.

#ifndef CBENCHREFERENCE_H
#define CBENCHREFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/// Nanoseconds of the monotonic clock: the same clock for both sides.
static inline uint64_t cbr_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// ---------------------------------------------------------------------------------------------------------------------
// MessagePack: msgpack-c as it is meant to be used, one buffer or one tree of objects for each message.

/// Structs `{id Int, name String, score Double, tags [String]x3, nested {number Int, flag Bool}}`.
typedef struct cbr_structs cbr_structs;

/// Reads structs out of an encoded array of maps; strings stay in `bytes`, which must outlive them. NULL when the bytes
/// hold something else.
cbr_structs *cbr_structs_create(const uint8_t *bytes, size_t size);
void cbr_structs_destroy(cbr_structs *structs);

/// Decodes into structs that have been made from bytes of the same shape. Returns a number that depends on all fields.
uint64_t cbr_structs_unpack(cbr_structs *structs, const uint8_t *bytes, size_t size);

/// Encodes into a buffer of its own and returns how many bytes that took; copies them to `copy` unless it is NULL.
size_t cbr_structs_pack(const cbr_structs *structs, uint8_t *copy, size_t capacity);

/// Encodes an array of integers, as `cbr_structs_pack` does.
size_t cbr_integers_pack(const int64_t *values, size_t count, uint8_t *copy, size_t capacity);

/// Decodes an array of `count` integers into memory of its own. Returns their sum; sets `failed` when it is none.
int64_t cbr_integers_unpack(const uint8_t *bytes, size_t size, size_t count, bool *failed);

// ---------------------------------------------------------------------------------------------------------------------
// Echo over libzmq: a ROUTER that sends back what comes, and a DEALER that asks.

/// Serves until the process ends. Returns an error number when the endpoint cannot be bound.
int cbr_echo_serve(const char *endpoint);

typedef struct cbr_echo_client cbr_echo_client;

/// Connects and waits for the first answer, at most `timeout_milliseconds`. NULL when there is none.
cbr_echo_client *cbr_echo_client_create(const char *endpoint, size_t payload, int timeout_milliseconds);
void cbr_echo_client_destroy(cbr_echo_client *client);

/// Asks one at a time for `nanoseconds`, or until `samples` is full of latencies; returns how many it holds.
size_t cbr_echo_latency(cbr_echo_client *client, uint64_t nanoseconds, uint64_t *samples, size_t capacity);

/// Keeps `in_flight` messages on their way for `nanoseconds`; returns the answers per second.
double cbr_echo_throughput(cbr_echo_client *client, size_t in_flight, uint64_t nanoseconds);

/// Has `count` clients, each with a thread and a libzmq of its own, ask one at a time for `nanoseconds` once all are
/// connected; returns the answers per second of all together, 0 when a client has failed.
double cbr_echo_clients(
    const char *endpoint, size_t payload, size_t count, uint64_t nanoseconds, int timeout_milliseconds);

/// A port of this machine that nobody listened at just now; 0 when there is none.
int cbr_free_port(void);

// ---------------------------------------------------------------------------------------------------------------------
// A counter in a file of LMDB's, with a log of the last 10,000 changes; the file's directory should be in memory.

/// Increments from `start` to `end`, both of `cbr_now`'s clock. Returns an error number.
int cbr_lmdb_increment(const char *path, uint64_t start, uint64_t end);

/// The counter, or -1 when it cannot be read.
int64_t cbr_lmdb_count(const char *path);

// ---------------------------------------------------------------------------------------------------------------------
// Processes.

/// Starts this program again with `variable` set to `value`. Its standard input is a pipe whose other end is stored in
/// `lifeline`; with a NULL there it is this process's own. Returns the process's number, or minus an error number.
pid_t cbr_start(const char *variable, const char *value, int *lifeline);

/// Waits for the end of a process; returns its exit status, or -1 when it ended in another way.
int cbr_wait(pid_t process);

/// Ends this process as soon as its standard input does, whatever it is doing, and removes the file of an `ipc://`
/// endpoint with the directory made for it. Returns an error number.
int cbr_exit_with_standard_input(const char *endpoint);

// ---------------------------------------------------------------------------------------------------------------------
// Work for several cores.

/// Does so many rounds of arithmetic that cannot be left out.
uint64_t cbr_spin(uint64_t rounds);

/// Does so many rounds in all, on several threads at once. Returns an error number.
int cbr_spin_together(int threads, uint64_t rounds);

/// Sends `count` blobs of `size` bytes from one thread to another through a pipe. Returns 0 when all arrived.
int cbr_pipe_copy(size_t size, size_t count);

#endif
