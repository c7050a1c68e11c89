// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

// How a child starts: the program is started again and its main function replaced before it runs. The C start code
// calls __libc_start_main with the program's main; this definition comes before the C library's and, in a child,
// passes on another main. A constructor would not do: it runs before a statically linked Swift runtime is ready.

#define _GNU_SOURCE
#include "CZProc.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

typedef int (*main_function)(int, char **, char **);
typedef int (*start_function)(
    main_function, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

/// The child's main, in Swift.
extern void czproc_child_main(void);

static char *child_argument;

const char *czproc_child_argument(void) { return child_argument; }

// Waits for the end of the parent and ends this process with it, whatever its own threads do.
static void *watch_parent(void *unused) {
    (void)unused;
    char byte;
    while (read(CZPROC_LIFELINE_DESCRIPTOR, &byte, 1) > 0) {}
    kill(getpid(), SIGKILL);
    return NULL;
}

static int child_main(int count, char **arguments, char **environment) {
    (void)count;
    (void)arguments;
    (void)environment;
    // Two ways to notice the parent's end: the kernel's signal is prompt, and works on a stopped process; the pipe
    // also catches a parent that died before the next line.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&thread, &attributes, watch_parent, NULL);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        fprintf(stderr, "zproc: a child process has no thread to watch its parent: %s\n", strerror(failed));
        return 70;
    }
    czproc_child_main();
    return 0;
}

int __libc_start_main(
    main_function main, int count, char **arguments, void (*init)(void), void (*fini)(void),
    void (*rtld_fini)(void), void *stack_end
) {
    start_function start = (start_function)dlsym(RTLD_NEXT, "__libc_start_main");
    if (start == NULL) {
        static const char text[] = "zproc: the C library has no __libc_start_main to start the program with\n";
        ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
        (void)written;
        _exit(70);
    }
    const char *argument = getenv(CZPROC_CHILD_VARIABLE);
    if (argument != NULL) {
        child_argument = strdup(argument);
        unsetenv(CZPROC_CHILD_VARIABLE);
        main = child_main;
    }
    return start(main, count, arguments, init, fini, rtld_fini, stack_end);
}

void czproc_exit(int status) {
    fflush(NULL);
    _exit(status);
}
