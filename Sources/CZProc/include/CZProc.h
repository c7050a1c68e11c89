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

/// The environment variables that make a started program work for a swarm of another process: where that is, and with
/// how many workers. The first is gone from the environment before any code of the program runs.
#define CZPROC_JOIN_VARIABLE "ZPROC_JOIN"
#define CZPROC_WORKERS_VARIABLE "ZPROC_WORKERS"

/// The descriptor on which a child notices the end of its parent: the read end of a pipe nobody writes to.
#define CZPROC_LIFELINE_DESCRIPTOR 3

/// The descriptor of the roll of processes, in a child that has one.
#define CZPROC_ROLL_DESCRIPTOR 4

/// What the child variable held; NULL in a program that was started in the usual way.
const char *czproc_child_argument(void);

/// What the join variables held; NULL when they were not set.
const char *czproc_join_address(void);
const char *czproc_join_workers(void);

/// What to start.
typedef struct {
    const char *path;
    /// The name the program is given as its first argument; it gets no others.
    const char *name;
    /// What the child finds in the child variable.
    const char *argument;
    int lifeline;
    /// The roll of processes; -1 for none.
    int roll;
    /// How many threads the runtime's own pool gets; 0 for as many as there are processors.
    int threads;
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

/// Sends SIGTERM to a child that has been told to end and has not: it is to die of it whatever its body does. Returns 0
/// or errno.
int czproc_end(int process_descriptor);

/// What goes with such a signal, so that the child can tell it from others.
#define CZPROC_FINAL 0x7a70726f

/// How a child ended.
typedef struct {
    /// 1 when it exited by itself with `status`; 0 when signal `status` killed it.
    int exited;
    int status;
    /// The most memory it had at a time, in bytes.
    int64_t peak_memory;
} czproc_termination;

/// Reaps an ended child. Returns 1 when it was reaped, 0 when it still runs, -1 when there is no such child.
int czproc_reap(pid_t process, czproc_termination *termination);

/// A pipe whose ends no started program inherits: read end, write end. Returns 0 or errno.
int czproc_pipe(int ends[2]);

/// Moves a descriptor of this process to a number that no child uses for something else. Returns the number or -1.
int czproc_out_of_the_way(int descriptor);

/// How many processors the calling thread may run on.
int czproc_processor_count(void);

/// Has reading from a descriptor return at once when there is nothing.
void czproc_never_wait(int descriptor);

/// Names the calling thread, for people who look at it from outside.
void czproc_name_thread(const char *name);

/// The roll: the live processes of a whole tree, in memory they share. A process is entered by its parent, and struck
/// off when its parent reaps it or, should the parent have died, by the next process that finds no room.
typedef struct czproc_roll czproc_roll;

/// Most processes a roll holds.
#define CZPROC_ROLL_CAPACITY 8192

/// Makes a roll. Returns a descriptor, or -1.
int czproc_roll_create(void);
/// Maps a roll into this process; NULL when that fails.
czproc_roll *czproc_roll_open(int descriptor);
/// Unmaps it.
void czproc_roll_close(czproc_roll *roll);
/// Keeps a place for a process that is about to be started. Returns it, or -1 when `limit` processes live already.
int czproc_roll_reserve(czproc_roll *roll, int limit);
/// Enters the process a place was kept for.
void czproc_roll_enter(czproc_roll *roll, int place, pid_t process);
/// Frees a place, if it is still that process's.
void czproc_roll_strike(czproc_roll *roll, int place, pid_t process);

/// Has a signal counted on an eventfd instead of ending the process, when it has its default effect now. Returns 1
/// then, else 0.
int czproc_catch(int signal, int event);
/// The same for SIGTERM in a child, which still ends the process at once before there is a body, the second time, and
/// when the parent insists (`czproc_end`).
int czproc_catch_termination(int event);
/// Says that there is a body from now on, which can be cancelled.
void czproc_has_body(int is_spare);

// In a child: whether a signal that cancels its body has come, be it that no thread has taken it yet.
int czproc_is_interrupted(void);
/// Gives a signal its default effect again and sends it to this process.
void czproc_die_of(int signal);

/// How long a child that got SIGTERM may take to end in order: as long as a program that did.
#define CZPROC_PATIENCE_SECONDS 15

/// Ends the process at once, after writing out what stdio has buffered; no destructors run under other threads' feet.
void czproc_exit(int status) __attribute__((noreturn));
/// The same by a signal.
void czproc_exit_by(int signal) __attribute__((noreturn));

enum { CZPROC_BUFFER_SIZE = 65536 };
/// Lends `body` as many bytes of the stack.
void czproc_with_buffer(void *context, void (*body)(void *context, void *buffer));

/// Accepts a connection whose socket does not block and is closed in programs
/// that are started; -1 and errno if there is none.
int czproc_accept(int socket);

/// The user on the other side of a connected Unix domain socket; -1 and errno when the system does not know.
int czproc_peer_user(int socket, uid_t *user);

/// Places of a thread for a pointer; NULL at first.
enum { CZPROC_SLOT_FIRST_JOB, CZPROC_SLOT_RUNNING, CZPROC_SLOT_COUNT };
void *czproc_thread_slot(int slot);
void czproc_set_thread_slot(int slot, void *pointer);

#endif
