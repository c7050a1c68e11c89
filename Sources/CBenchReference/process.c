// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CBenchReference.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

// The environment of this process with one more variable; to be freed with its last entry.
static char **extended_environment(const char *variable, const char *value, char **entry) {
    size_t count = 0;
    while (environ[count] != NULL) { count++; }
    char **result = malloc((count + 2) * sizeof *result);
    if (result == NULL || asprintf(entry, "%s=%s", variable, value) < 0) {
        free(result);
        return NULL;
    }
    for (size_t index = 0; index < count; index++) { result[index] = environ[index]; }
    result[count] = *entry;
    result[count + 1] = NULL;
    return result;
}

pid_t cbr_start(const char *variable, const char *value, int *lifeline) {
    static const char program[] = "/proc/self/exe";
    char *arguments[] = {(char *)"zproc-bench", NULL};
    char *entry = NULL;
    int ends[2] = {-1, -1}, result = ENOMEM;
    pid_t process = 0;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    char **environment = extended_environment(variable, value, &entry);
    if (environment != NULL) {
        result = 0;
        if (lifeline != NULL) {
            // Neither end is inherited by anybody; the child gets a copy as its standard input.
            result = pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno;
            if (result == 0) { result = posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO); }
        }
        if (result == 0) { result = posix_spawn(&process, program, &actions, NULL, arguments, environment); }
        free(entry);
        free(environment);
    }
    posix_spawn_file_actions_destroy(&actions);
    if (ends[0] >= 0) { close(ends[0]); }
    if (result != 0) {
        if (ends[1] >= 0) { close(ends[1]); }
        return -result;
    }
    if (lifeline != NULL) { *lifeline = ends[1]; }
    return process;
}

int cbr_wait(pid_t process) {
    int status = 0;
    pid_t result;
    do { result = waitpid(process, &status, 0); } while (result < 0 && errno == EINTR);
    return result == process && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void *watch_standard_input(void *argument) {
    char *path = argument, byte;
    ssize_t result;
    do { result = read(STDIN_FILENO, &byte, 1); } while (result > 0 || (result < 0 && errno == EINTR));
    if (path != NULL) {
        unlink(path);
        *strrchr(path, '/') = 0;
        rmdir(path);
    }
    _exit(0);
}

int cbr_exit_with_standard_input(const char *endpoint) {
    static const char scheme[] = "ipc://";
    char *path = NULL;
    if (strncmp(endpoint, scheme, sizeof scheme - 1) == 0) {
        path = strdup(endpoint + sizeof scheme - 1);
        if (path == NULL || strrchr(path, '/') == NULL) { return EINVAL; }
    }
    // The terminal interrupts the parent too, and this process has to tidy up after that.
    signal(SIGINT, SIG_IGN);
    pthread_t thread;
    int result = pthread_create(&thread, NULL, watch_standard_input, path);
    if (result == 0) { pthread_detach(thread); }
    return result;
}

int cbr_free_port(void) {
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int port = 0;
    if (descriptor >= 0 && bind(descriptor, (struct sockaddr *)&address, length) == 0 &&
        getsockname(descriptor, (struct sockaddr *)&address, &length) == 0) {
        port = ntohs(address.sin_port);
    }
    if (descriptor >= 0) { close(descriptor); }
    return port;
}
