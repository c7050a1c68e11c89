// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CZProc.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// Whether `entry`, as it is in an environment, is the variable that `change` is about.
static int is_about(const char *change, const char *entry) {
    size_t length = strcspn(change, "=");
    return strncmp(change, entry, length) == 0 && entry[length] == '=';
}

// The environment with one variable more and some changes. Pointers are copied, not the text.
static char **environment_with(char *variable, const char *const *changes) {
    size_t count = 0, change_count = 0;
    while (environ[count] != NULL) count++;
    while (changes[change_count] != NULL) change_count++;
    char **copy = malloc((count + change_count + 2) * sizeof *copy);
    if (copy == NULL) return NULL;
    size_t end = 0;
    for (size_t index = 0; index < count; index++) {
        int is_changed = 0;
        for (size_t change = 0; change < change_count; change++) {
            if (is_about(changes[change], environ[index])) is_changed = 1;
        }
        if (!is_changed) copy[end++] = environ[index];
    }
    for (size_t change = 0; change < change_count; change++) {
        if (strchr(changes[change], '=') != NULL) copy[end++] = (char *)changes[change];
    }
    copy[end++] = variable;
    copy[end] = NULL;
    return copy;
}

// Leaves the calling thread so many of its processors, and tells which it had.
//
// Others each time: until a child has taken all back it is being linked, which is most of its start, and many that are
// started at once would stand in line for the first processor while the others have nothing to do.
static int narrow_processors(int count, cpu_set_t *before) {
    static _Atomic unsigned turn;
    if (sched_getaffinity(0, sizeof *before, before) != 0) return 0;
    int all = CPU_COUNT(before);
    if (count <= 0 || count >= all) return 0;
    unsigned skipped = turn++ % (unsigned)all;
    cpu_set_t few;
    CPU_ZERO(&few);
    // Round and round, from the one whose turn it is.
    for (int place = 0; count > 0; place = (place + 1) % CPU_SETSIZE) {
        if (!CPU_ISSET(place, before)) continue;
        if (skipped > 0) {
            skipped--;
            continue;
        }
        CPU_SET(place, &few);
        count--;
    }
    return sched_setaffinity(0, sizeof few, &few) == 0;
}

int czproc_spawn(const czproc_launch *launch, pid_t *process) {
    int error = ENOMEM;
    char *variable = NULL;
    if (asprintf(&variable, "%s=%s", CZPROC_CHILD_VARIABLE, launch->argument) < 0) return ENOMEM;
    char **environment = environment_with(variable, launch->environment);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    if (environment == NULL) goto done;

    // The streams first: their descriptors may have the lifeline's number. dup2 onto itself clears close-on-exec too,
    // says POSIX.
    if (launch->output >= 0) {
        error = posix_spawn_file_actions_adddup2(&actions, launch->output, STDOUT_FILENO);
        if (error) goto done;
    }
    if (launch->error >= 0) {
        error = posix_spawn_file_actions_adddup2(&actions, launch->error, STDERR_FILENO);
        if (error) goto done;
    }
    error = posix_spawn_file_actions_adddup2(&actions, launch->lifeline, CZPROC_LIFELINE_DESCRIPTOR);
    if (error) goto done;
    if (launch->roll >= 0) {
        error = posix_spawn_file_actions_adddup2(&actions, launch->roll, CZPROC_ROLL_DESCRIPTOR);
        if (error) goto done;
    }
    error = posix_spawn_file_actions_addclosefrom_np(
        &actions, launch->roll >= 0 ? CZPROC_ROLL_DESCRIPTOR + 1 : CZPROC_ROLL_DESCRIPTOR);
    if (error) goto done;
    if (launch->directory != NULL) {
        error = posix_spawn_file_actions_addchdir_np(&actions, launch->directory);
        if (error) goto done;
    }
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    // What is ignored here, as by nohup, is ignored there.
    static const int kept[] = {SIGHUP, SIGINT, SIGQUIT};
    for (size_t index = 0; index < sizeof kept / sizeof kept[0]; index++) {
        struct sigaction now;
        if (sigaction(kept[index], NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN) {
            sigdelset(&all, kept[index]);
        }
    }
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    char *arguments[] = {(char *)launch->name, NULL};
    // The runtime's own pool gets as many threads as there are processors when the program starts; the child takes
    // back the others before its code runs.
    cpu_set_t processors;
    int is_narrow = narrow_processors(launch->threads, &processors);
    error = posix_spawn(process, launch->path, &actions, &attributes, arguments, environment);
    if (is_narrow) sched_setaffinity(0, sizeof processors, &processors);
done:
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    free(environment);
    free(variable);
    return error;
}

void czproc_never_wait(int descriptor) { fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK); }

int czproc_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno; }

void czproc_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

int czproc_out_of_the_way(int descriptor) {
    int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, CZPROC_ROLL_DESCRIPTOR + 1);
    close(descriptor);
    return moved;
}

int czproc_processor_count(void) {
    cpu_set_t processors;
    return sched_getaffinity(0, sizeof processors, &processors) == 0 ? CPU_COUNT(&processors) : 1;
}

int czproc_process_descriptor(pid_t process) {
    return (int)syscall(SYS_pidfd_open, process, 0);
}

int czproc_signal(int process_descriptor, int signal) {
    return syscall(SYS_pidfd_send_signal, process_descriptor, signal, NULL, 0) == 0 ? 0 : errno;
}

int czproc_end(int process_descriptor) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = SIGTERM;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = CZPROC_FINAL;
    return syscall(SYS_pidfd_send_signal, process_descriptor, SIGTERM, &info, 0) == 0 ? 0 : errno;
}

int czproc_reap(pid_t process, czproc_termination *termination) {
    int status;
    struct rusage usage;
    pid_t reaped;
    do {
        reaped = wait4(process, &status, WNOHANG, &usage);
    } while (reaped < 0 && errno == EINTR);
    if (reaped <= 0) return (int)reaped;
    termination->exited = WIFEXITED(status);
    termination->status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    termination->peak_memory = (int64_t)usage.ru_maxrss * 1024;
    return 1;
}
