// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#include "CBenchReference.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

// Far above what is ever in flight: a full ROUTER would drop messages.
static const int high_water_mark = 100000;

static void set_up(void *socket) {
    int linger = 0;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &high_water_mark, sizeof high_water_mark);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &high_water_mark, sizeof high_water_mark);
}

// Like the plain call, but goes on after a signal.
static int receive(zmq_msg_t *message, void *socket) {
    int result;
    do { result = zmq_msg_recv(message, socket, 0); } while (result < 0 && zmq_errno() == EINTR);
    return result;
}

static int send(zmq_msg_t *message, void *socket, int flags) {
    int result;
    do { result = zmq_msg_send(message, socket, flags); } while (result < 0 && zmq_errno() == EINTR);
    return result;
}

int cbr_echo_serve(const char *endpoint) {
    void *context = zmq_ctx_new();
    if (context == NULL) { return zmq_errno(); }
    void *socket = zmq_socket(context, ZMQ_ROUTER);
    if (socket == NULL) { return zmq_errno(); }
    set_up(socket);
    if (zmq_bind(socket, endpoint) != 0) { return zmq_errno(); }
    zmq_msg_t message;
    zmq_msg_init(&message);
    // A frame at a time: the first one of each message is the asking peer's routing id, and goes back first.
    while (receive(&message, socket) >= 0) {
        int flags = zmq_msg_more(&message) ? ZMQ_SNDMORE : 0;
        if (send(&message, socket, flags) < 0) { break; }
    }
    return zmq_errno();
}

struct cbr_echo_client {
    void *context;
    void *socket;
    size_t payload;
};

static bool ask(cbr_echo_client *client) {
    zmq_msg_t message;
    if (zmq_msg_init_size(&message, client->payload) != 0) { return false; }
    memset(zmq_msg_data(&message), 0x5a, client->payload);
    if (send(&message, client->socket, 0) >= 0) { return true; }
    zmq_msg_close(&message);
    return false;
}

static bool await_answer(cbr_echo_client *client) {
    zmq_msg_t message;
    zmq_msg_init(&message);
    bool right = receive(&message, client->socket) >= 0 && zmq_msg_size(&message) == client->payload;
    zmq_msg_close(&message);
    return right;
}

cbr_echo_client *cbr_echo_client_create(const char *endpoint, size_t payload, int timeout_milliseconds) {
    cbr_echo_client *client = calloc(1, sizeof *client);
    if (client == NULL) { return NULL; }
    client->payload = payload;
    client->context = zmq_ctx_new();
    client->socket = client->context == NULL ? NULL : zmq_socket(client->context, ZMQ_DEALER);
    if (client->socket != NULL) {
        set_up(client->socket);
        // The server may bind later than this connects.
        int milliseconds = 10, forever = -1;
        zmq_setsockopt(client->socket, ZMQ_RECONNECT_IVL, &milliseconds, sizeof milliseconds);
        zmq_setsockopt(client->socket, ZMQ_RCVTIMEO, &timeout_milliseconds, sizeof timeout_milliseconds);
        if (zmq_connect(client->socket, endpoint) == 0 && ask(client) && await_answer(client)) {
            zmq_setsockopt(client->socket, ZMQ_RCVTIMEO, &forever, sizeof forever);
            return client;
        }
    }
    cbr_echo_client_destroy(client);
    return NULL;
}

void cbr_echo_client_destroy(cbr_echo_client *client) {
    if (client == NULL) { return; }
    if (client->socket != NULL) { zmq_close(client->socket); }
    if (client->context != NULL) { zmq_ctx_term(client->context); }
    free(client);
}

size_t cbr_echo_latency(cbr_echo_client *client, uint64_t nanoseconds, uint64_t *samples, size_t capacity) {
    size_t count = 0;
    uint64_t before = cbr_now(), end = before + nanoseconds;
    while (count < capacity && before < end) {
        if (!ask(client) || !await_answer(client)) { return 0; }
        uint64_t after = cbr_now();
        samples[count++] = after - before;
        before = after;
    }
    return count;
}

double cbr_echo_throughput(cbr_echo_client *client, size_t in_flight, uint64_t nanoseconds) {
    uint64_t start = cbr_now(), now = start;
    size_t count = 0;
    for (size_t index = 0; index < in_flight; index++) {
        if (!ask(client)) { return 0; }
    }
    while (now - start < nanoseconds) {
        // The clock is read once in a while only.
        for (int index = 0; index < 64; index++) {
            if (!await_answer(client) || !ask(client)) { return 0; }
        }
        count += 64;
        now = cbr_now();
    }
    for (size_t index = 0; index < in_flight; index++) {
        if (!await_answer(client)) { return 0; }
    }
    return (double)(count + in_flight) * 1e9 / (double)(cbr_now() - start);
}

struct crowd {
    const char *endpoint;
    size_t payload;
    int timeout_milliseconds;
    uint64_t nanoseconds;
    /// All clients wait for each other when they are connected or cannot be, and when they have asked.
    pthread_barrier_t start;
    pthread_barrier_t end;
};

struct member {
    struct crowd *crowd;
    pthread_t thread;
    size_t count;
    uint64_t start;
    uint64_t end;
    bool failed;
};

static void *ask_alone(void *argument) {
    struct member *member = argument;
    struct crowd *crowd = member->crowd;
    cbr_echo_client *client = cbr_echo_client_create(crowd->endpoint, crowd->payload, crowd->timeout_milliseconds);
    member->failed = client == NULL;
    pthread_barrier_wait(&crowd->start);
    member->start = member->end = cbr_now();
    while (!member->failed && member->end - member->start < crowd->nanoseconds) {
        member->failed = !ask(client) || !await_answer(client);
        member->count++;
        member->end = cbr_now();
    }
    // What it takes to end a client is not to disturb the others.
    pthread_barrier_wait(&crowd->end);
    cbr_echo_client_destroy(client);
    return NULL;
}

double cbr_echo_clients(
    const char *endpoint, size_t payload, size_t count, uint64_t nanoseconds, int timeout_milliseconds) {
    struct crowd crowd = {endpoint, payload, timeout_milliseconds, nanoseconds};
    struct member *members = calloc(count, sizeof *members);
    if (members == NULL || pthread_barrier_init(&crowd.start, NULL, (unsigned)count) != 0 ||
        pthread_barrier_init(&crowd.end, NULL, (unsigned)count) != 0) {
        free(members);
        return 0;
    }
    for (size_t index = 0; index < count; index++) {
        members[index].crowd = &crowd;
        // The others wait for it: a machine without a thread measures nothing.
        if (pthread_create(&members[index].thread, NULL, ask_alone, &members[index]) != 0) { abort(); }
    }
    size_t answers = 0;
    uint64_t start = UINT64_MAX, end = 0;
    bool failed = false;
    for (size_t index = 0; index < count; index++) {
        struct member *member = &members[index];
        pthread_join(member->thread, NULL);
        answers += member->count;
        if (member->start < start) { start = member->start; }
        if (member->end > end) { end = member->end; }
        failed = failed || member->failed;
    }
    pthread_barrier_destroy(&crowd.start);
    pthread_barrier_destroy(&crowd.end);
    free(members);
    return failed || end <= start ? 0 : (double)answers * 1e9 / (double)(end - start);
}
