// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

// Calls on sockets that Swift's module of the C library lacks.

#define _GNU_SOURCE
#include "CZProc.h"

#include <sys/socket.h>

void czproc_with_buffer(void *context, void (*body)(void *context, void *buffer)) {
    char buffer[CZPROC_BUFFER_SIZE];
    body(context, buffer);
}

int czproc_accept(int socket) {
    return accept4(socket, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int czproc_peer_user(int socket, uid_t *user) {
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return -1;
    *user = credentials.uid;
    return 0;
}
