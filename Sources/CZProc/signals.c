// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CZProc.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

// Written before the handler that reads it is installed.
static _Atomic(int) events[32];

static _Atomic(int) has_come;

static void count_signal(int signal) {
    int saved = errno;
    atomic_store(&has_come, 1);
    uint64_t one = 1;
    ssize_t written = write(atomic_load(&events[signal]), &one, sizeof one);
    (void)written;
    errno = saved;
}

int czproc_catch(int signal, int event) {
    struct sigaction now;
    if (signal <= 0 || signal >= 32 || sigaction(signal, NULL, &now) != 0) return 0;
    if ((now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL) return 0;
    atomic_store(&events[signal], event);
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    return sigaction(signal, &action, NULL) == 0;
}

// What SIGTERM means depends on what goes on in the child; see czproc_catch_termination.
static _Atomic(int) has_body, terminations;

static void terminate(int signal, siginfo_t *info, void *unused) {
    (void)unused;
    int is_final = info->si_code == SI_QUEUE && info->si_value.sival_int == CZPROC_FINAL;
    if (is_final || !atomic_load(&has_body) || atomic_fetch_add(&terminations, 1) > 0) return czproc_die_of(signal);
    count_signal(signal);
}

int czproc_catch_termination(int event) {
    struct sigaction now;
    if (sigaction(SIGTERM, NULL, &now) != 0 || (now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL) return 0;
    atomic_store(&events[SIGTERM], event);
    struct sigaction action = {.sa_sigaction = terminate, .sa_flags = SA_RESTART | SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    return sigaction(SIGTERM, &action, NULL) == 0;
}

void czproc_has_body(int is_spare) {
    // One that came before there was a body was not meant for this one.
    if (is_spare) atomic_store(&has_come, 0);
    atomic_store(&has_body, 1);
}

int czproc_is_interrupted(void) {
    if (atomic_load(&has_come)) return 1;
    // It may be there and not yet have been taken by any thread. Only what is blocked shows.
    sigset_t set, before, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    if (pthread_sigmask(SIG_BLOCK, &set, &before) != 0) return 0;
    int is_pending = sigpending(&pending) == 0
        && (sigismember(&pending, SIGINT) || sigismember(&pending, SIGHUP) || sigismember(&pending, SIGTERM));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return is_pending || atomic_load(&has_come);
}

void czproc_die_of(int signal) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, NULL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    kill(getpid(), signal);
}
