// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#ifndef CZPROC_H
#define CZPROC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/types.h>

/// The environment variable that makes a started program a child process of ours. Its value is for Swift to read; the
/// variable is gone from the environment before any code of the program runs.
#define CZPROC_CHILD_VARIABLE "ZPROC_CHILD"

/// The descriptor on which a child notices the end of its parent: the read end of a pipe nobody writes to.
#define CZPROC_LIFELINE_DESCRIPTOR 3

/// What the child variable held; NULL in a program that was started in the usual way.
const char *czproc_child_argument(void);

/// What to start.
typedef struct {
    const char *path;
    /// The name the program is given as its first argument; it gets no others.
    const char *name;
    /// What the child finds in the child variable.
    const char *argument;
    int lifeline;
    /// Where it starts; NULL for here.
    const char *directory;
    /// `name=value` for variables that are set, `name` for those that are taken away; ends with NULL.
    const char *const *environment;
    /// What are its standard output and error; -1 for this process's own.
    int output, error;
} czproc_launch;

/// Starts a process. Standard streams, directory and environment are inherited but for what `launch` says, no other
/// descriptors are; the signal mask is empty and all signals have their default effect.
///
/// The calling thread must live as long as the child: the kernel kills the child when that thread ends.
/// Returns 0 or an errno value.
int czproc_spawn(const czproc_launch *launch, pid_t *process);

/// A descriptor that becomes readable when `process` ends, or -1.
int czproc_process_descriptor(pid_t process);

/// Sends a signal to the process of a descriptor, which cannot hit a stranger that got its number. Returns 0 or errno.
int czproc_signal(int process_descriptor, int signal);

/// How a child ended.
typedef struct {
    /// 1 when it exited by itself with `status`; 0 when signal `status` killed it.
    int exited;
    int status;
} czproc_termination;

/// Reaps an ended child. Returns 1 when it was reaped, 0 when it still runs, -1 when there is no such child.
int czproc_reap(pid_t process, czproc_termination *termination);

/// A pipe whose ends no started program inherits: read end, write end. Returns 0 or errno.
int czproc_pipe(int ends[2]);

/// Has reading from a descriptor return at once when there is nothing.
void czproc_never_wait(int descriptor);

/// Names the calling thread, for people who look at it from outside.
void czproc_name_thread(const char *name);

/// Ends the process at once, after writing out what stdio has buffered; no destructors run under other threads' feet.
void czproc_exit(int status) __attribute__((noreturn));

#endif
