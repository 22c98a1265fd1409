/* SPDX-License-Identifier: MIT */
/*
 * A process that outlives us. While we know it as our own it is a pidfd; on disk
 * it is pid, start time and boot id, and all three are checked before any signal,
 * so that a stale record never hits a stranger.
 */
#ifndef VF_PROCESS_H
#define VF_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* The file in a run directory that the process writes about itself. */
#define PROCESS_FILE "pid"

/* A process that may be gone. */
struct process {
	pid_t pid;
	int pidfd; /* -1 if it is gone */
};

/**
 * process_spawn() - Start a program that outlives us
 * @proc:	out: the process; process_close() it
 * @dir_fd:	run directory: gets PROCESS_FILE, written by the new process
 *		before it becomes the program, so that no moment exists in which
 *		it runs and is not on record
 * @log_name:	file in @dir_fd that receives its output
 * @argv:	program, looked up in PATH, and its arguments
 * @fds:	descriptors that it inherits under the same numbers
 * @num_fds:	how many
 * @err:	error
 *
 * It gets a session of its own, so that a terminal's signals do not reach it.
 *
 * Return: 0 or -errno, -ENOENT if there is no such program
 */
int process_spawn(struct process *proc, int dir_fd, const char *log_name,
		  char *const argv[], const int *fds, unsigned int num_fds,
		  struct vf_err *err);

/**
 * process_open() - Find the process that a run directory speaks of
 * @proc:	out: the process, with pidfd -1 unless it lives
 * @dir_fd:	run directory
 *
 * Return: 1 if it lives, 0 if it is gone, -errno if that cannot be told: then
 * nothing may be done that supposes either
 */
int process_open(struct process *proc, int dir_fd);

/**
 * process_open_own() - The calling process, or a child that nobody waited for
 * @proc:	out: the process; process_close() it
 * @pid:	its pid
 *
 * Return: 0 or -errno: then @proc is as one that is gone
 */
int process_open_own(struct process *proc, pid_t pid);

/**
 * process_wait() - Wait until it has ended
 * @proc:		process
 * @timeout_ms:		how long
 *
 * Return: 0 if it has, -ETIMEDOUT
 */
int process_wait(struct process *proc, int timeout_ms);

/**
 * process_signal() - Send it a signal, if it lives
 * @proc:	process
 * @sig:	signal
 */
void process_signal(struct process *proc, int sig);

/**
 * process_kill() - End it: politely, then not
 * @proc:		process
 * @grace_ms:		how long it may take to end by itself; 0: none
 *
 * Return: 0 once it has ended, -ETIMEDOUT if even SIGKILL took more than 5 s
 */
int process_kill(struct process *proc, int grace_ms);

/**
 * process_close() - Forget it; it goes on
 * @proc:	process
 */
void process_close(struct process *proc);

/**
 * process_signals_usual() - Let go of what the command does about signals
 *
 * For a child that is about to become a program: that one ends of SIGTERM and of a
 * pipe that nobody reads. Async-signal-safe.
 */
void process_signals_usual(void);

/**
 * process_mark() - Write a record of the calling process
 * @dir_fd:	directory
 * @name:	file
 * @err:	error
 *
 * Return: 0 or -errno
 */
int process_mark(int dir_fd, const char *name, struct vf_err *err);

/**
 * process_mark_lives() - Does the process live that wrote a record?
 * @dir_fd:	directory
 * @name:	file that process_mark() or process_spawn() wrote
 *
 * Return: true if so, or if that cannot be told
 */
bool process_mark_lives(int dir_fd, const char *name);

/**
 * process_detach() - Go on without whoever started the calling process
 *
 * It gets a session of its own, and nothing stays open that somebody waits for
 * the end of: standard input, output and error are /dev/null, and descriptors
 * that are not O_CLOEXEC, a lock or a pipe of a script's, are closed. Only for a
 * single-threaded process.
 */
void process_detach(void);

/**
 * process_keep_fds() - Close all descriptors but these and the standard ones
 * @fds:	descriptors; a negative one is none
 * @num:	how many
 */
void process_keep_fds(const int *fds, unsigned int num);

/**
 * process_open_mark() - Find the process that wrote a record
 * @proc:	out: the process, with pidfd -1 unless it lives
 * @dir_fd:	directory
 * @name:	file that process_mark() or process_spawn() wrote
 *
 * Return: see process_open()
 */
int process_open_mark(struct process *proc, int dir_fd, const char *name);

/**
 * process_faults() - How many page faults a process has had
 * @pid:	process
 * @minor:	out: those that needed no reading; unchanged on failure
 * @major:	out: those that did; unchanged on failure
 *
 * Return: 0 or -errno
 */
int process_faults(pid_t pid, uint64_t *minor, uint64_t *major);

/**
 * process_answer() - Run a program to its end; how did it exit?
 * @argv:	program, looked up in PATH, and its arguments
 * @out:	its standard output, cut to fit, NUL terminated
 * @size:	room in @out
 * @timeout_ms:	after which it is killed
 * @cancel_fd:	ends it when readable, with time to tidy up; or -1
 * @err:	error
 *
 * It ends with the thread that called, even if that is killed, and of SIGINT, SIGTERM
 * and SIGHUP also where the caller waits for those.
 *
 * Return: its exit status, or -errno; -ECANCELED, also if it failed and @cancel_fd is
 * readable by then; -EREMOTEIO if a signal ended it
 */
int process_answer(char *const argv[], char *out, size_t size, int timeout_ms,
		   int cancel_fd, struct vf_err *err);

/**
 * process_output() - Run a program to its end and take what it prints
 * @argv:	program, looked up in PATH, and its arguments
 * @out:	its standard output, cut to fit, NUL terminated
 * @size:	room in @out
 * @timeout_ms:	after which it is killed
 * @err:	error
 *
 * Return: 0 if it exited with 0, or -errno
 */
int process_output(char *const argv[], char *out, size_t size, int timeout_ms,
		   struct vf_err *err);

#endif
