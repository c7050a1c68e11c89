// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

// How a child starts: the program is started again and its main function replaced before it runs. The C start code
// calls __libc_start_main with the program's main; this definition comes before the C library's and, in a child,
// passes on another main. A constructor would not do: it runs before a statically linked Swift runtime is ready.

#define _GNU_SOURCE
#include "CZProc.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

typedef int (*main_function)(int, char **, char **);
typedef int (*start_function)(
    main_function, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

/// The child's main, in Swift.
extern void czproc_child_main(void);

static char *child_argument;

const char *czproc_child_argument(void) { return child_argument; }

// Count the signals that cancel the body: those after which the process lives on until its parent has stopped it, and
// SIGTERM, of which it then dies.
static int interrupts = -1, terminations = -1;

/// Told, on a thread of this file, when the process gets a signal that cancels its body; of which it is to die when that
/// has ended, or 0.
extern void czproc_child_interrupted(int end);

static int64_t milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Whether a signal was counted.
static int take(const struct pollfd *event) {
    uint64_t count;
    return (event->revents & POLLIN) && read(event->fd, &count, sizeof count) > 0;
}

// Waits for the end of the parent and ends this process with it, whatever its own threads do.
static void *watch_parent(void *unused) {
    (void)unused;
    struct pollfd watched[] = {
        {.fd = CZPROC_LIFELINE_DESCRIPTOR, .events = POLLIN},
        {.fd = interrupts, .events = POLLIN},
        {.fd = terminations, .events = POLLIN},
    };
    int64_t end = 0;
    while (1) {
        int64_t left = end - milliseconds();
        for (int index = 0; index < 3; index++) watched[index].revents = 0;
        if (poll(watched, 3, end == 0 ? -1 : left > 0 ? (int)left : 0) < 0 && errno != EINTR) break;
        if (take(&watched[1])) czproc_child_interrupted(0);
        if (take(&watched[2])) {
            czproc_child_interrupted(SIGTERM);
            if (end == 0) end = milliseconds() + CZPROC_PATIENCE_SECONDS * 1000;
        }
        if (end != 0 && end <= milliseconds()) czproc_die_of(SIGTERM);
        char byte;
        if ((watched[0].revents & (POLLIN | POLLHUP)) && read(CZPROC_LIFELINE_DESCRIPTOR, &byte, 1) <= 0) break;
    }
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
    // What this process starts by other means than ours has no use for them.
    fcntl(CZPROC_LIFELINE_DESCRIPTOR, F_SETFD, FD_CLOEXEC);
    fcntl(CZPROC_ROLL_DESCRIPTOR, F_SETFD, FD_CLOEXEC);
    // What a terminal sends is for the whole tree: the body is told, and the process lives until its parent has stopped
    // it. So may SIGTERM be; as it is also for single processes, the process ends of it, like any program, when the body
    // has tidied up.
    interrupts = eventfd(0, EFD_CLOEXEC);
    if (interrupts >= 0) {
        czproc_catch(SIGINT, interrupts);
        czproc_catch(SIGHUP, interrupts);
    }
    terminations = eventfd(0, EFD_CLOEXEC);
    if (terminations >= 0) czproc_catch_termination(terminations);
    // The parent may have narrowed these for the start.
    cpu_set_t processors;
    if (sched_getaffinity(getppid(), sizeof processors, &processors) == 0) {
        sched_setaffinity(0, sizeof processors, &processors);
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 << 10);
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

/// The main of a process that joins a swarm, in Swift.
extern void czproc_join_main(void);

static char *join_address;
static char *join_workers;

const char *czproc_join_address(void) { return join_address; }
const char *czproc_join_workers(void) { return join_workers; }

static int join_main(int count, char **arguments, char **environment) {
    (void)count;
    (void)arguments;
    (void)environment;
    czproc_join_main();
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
    const char *join = getenv(CZPROC_JOIN_VARIABLE);
    if (argument != NULL) {
        child_argument = strdup(argument);
        unsetenv(CZPROC_CHILD_VARIABLE);
        main = child_main;
    } else if (join != NULL && *join != 0) {
        const char *workers = getenv(CZPROC_WORKERS_VARIABLE);
        join_address = strdup(join);
        join_workers = workers == NULL ? NULL : strdup(workers);
        main = join_main;
    }
    // What this process starts is not to join once more.
    unsetenv(CZPROC_JOIN_VARIABLE);
    return start(main, count, arguments, init, fini, rtld_fini, stack_end);
}

// A stream that another thread reads from is locked by it, and flushing all would wait for it, perhaps for ever. So the
// others are written out on a thread that is not waited for longer than this.
static const time_t other_streams_seconds = 1;

static sem_t others_written;

static void *write_others(void *unused) {
    (void)unused;
    fflush(NULL);
    sem_post(&others_written);
    return NULL;
}

static void write_buffered(void) {
    fflush(stdout);
    fflush(stderr);
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += other_streams_seconds;
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    if (sem_init(&others_written, 0, 0) != 0 || pthread_create(&thread, &attributes, write_others, NULL) != 0) return;
    while (sem_clockwait(&others_written, CLOCK_MONOTONIC, &end) != 0 && errno == EINTR) {}
}

void czproc_exit(int status) {
    write_buffered();
    _exit(status);
}

void czproc_exit_by(int signal) {
    write_buffered();
    czproc_die_of(signal);
    // Another thread may be the one that gets it.
    while (1) pause();
}
