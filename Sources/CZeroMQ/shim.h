// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#ifndef CZEROMQ_SHIM_H
#define CZEROMQ_SHIM_H

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <zmq.h>

// A zmq_msg_t as eight words. Swift imports the original as a tuple of 64 bytes, which it would move one by one.
typedef struct {
    uint64_t words[8];
} czeromq_frame;

_Static_assert(sizeof(czeromq_frame) == sizeof(zmq_msg_t), "zmq_msg_t has changed its size");
_Static_assert(_Alignof(czeromq_frame) >= _Alignof(zmq_msg_t), "zmq_msg_t has changed its alignment");

static inline void czeromq_frame_init(czeromq_frame *frame) {
    zmq_msg_init((zmq_msg_t *)frame);
}

static inline int czeromq_frame_init_size(czeromq_frame *frame, size_t size) {
    return zmq_msg_init_size((zmq_msg_t *)frame, size);
}

static inline int czeromq_frame_init_data(
    czeromq_frame *frame, void *data, size_t size, zmq_free_fn *release, void *hint) {
    return zmq_msg_init_data((zmq_msg_t *)frame, data, size, release, hint);
}

static inline void czeromq_frame_close(czeromq_frame *frame) {
    zmq_msg_close((zmq_msg_t *)frame);
}

static inline int czeromq_frame_copy(czeromq_frame *target, czeromq_frame *source) {
    return zmq_msg_copy((zmq_msg_t *)target, (zmq_msg_t *)source);
}

// libzmq asks for a mutable message only because the bytes may be written.
static inline void *czeromq_frame_data(const czeromq_frame *frame) {
    return zmq_msg_data((zmq_msg_t *)(uintptr_t)frame);
}

static inline size_t czeromq_frame_size(const czeromq_frame *frame) {
    return zmq_msg_size((const zmq_msg_t *)frame);
}

static inline int czeromq_frame_more(const czeromq_frame *frame) {
    return zmq_msg_more((const zmq_msg_t *)frame);
}

static inline const char *czeromq_frame_property(const czeromq_frame *frame, const char *name) {
    return zmq_msg_gets((const zmq_msg_t *)frame, name);
}

static inline int czeromq_frame_send(czeromq_frame *frame, void *socket, int flags) {
    return zmq_msg_send((zmq_msg_t *)frame, socket, flags);
}

static inline int czeromq_frame_receive(czeromq_frame *frame, void *socket, int flags) {
    return zmq_msg_recv((zmq_msg_t *)frame, socket, flags);
}

// Variadic in C.
static inline void czeromq_name_current_thread(const char *name) {
    prctl(PR_SET_NAME, name, 0, 0, 0);
}

// What the calling thread has used. The number is RUSAGE_THREAD, a name that only programs with GNU's extensions see.
static inline int czeromq_usage_of_current_thread(struct rusage *usage) {
    return getrusage(1, usage);
}

#endif
