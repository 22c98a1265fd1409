/* SPDX-License-Identifier: MIT */
#ifndef VF_SHELL_H
#define VF_SHELL_H

#include "core/vm.h"

/**
 * shell_await() - Wait until there is a shell, which prints its prompt
 * @vm:		VM that boots
 * @cancel_fd:	readable when the user gives up; or -1
 * @timeout_ms:	how long to wait
 * @err:	error
 *
 * Words that are sent before there is a shell are lost, or half of them: so only
 * empty lines are, until there is one.
 *
 * Return: 0 or -errno, -ECANCELED, -ETIMEDOUT
 */
int shell_await(const struct vm *vm, int cancel_fd, int timeout_ms,
		struct vf_err *err);

/**
 * shell_time() - Time commands in the root shell on a guest's console
 * @vm:		VM whose console has a shell with $EPOCHREALTIME
 * @commands:	what to run
 * @us:		out: how long it took by the guest's clock, microseconds
 * @timeout_ms:	how long to wait for the end
 * @err:	error
 *
 * Return: 0 or -errno, -EIO if the commands failed
 */
int shell_time(const struct vm *vm, const char *commands, int64_t *us,
	       int timeout_ms, struct vf_err *err);

/**
 * shell_ask() - Run a command in that shell which prints one number
 * @vm:		VM whose console has a shell
 * @command:	what to run; prints the number as C writes it
 * @value:	out
 * @timeout_ms:	how long to wait for the end
 * @err:	error
 *
 * Return: 0 or -errno, -EIO if the command failed
 */
int shell_ask(const struct vm *vm, const char *command, uint64_t *value,
	      int timeout_ms, struct vf_err *err);

/**
 * shell_line() - Run commands in that shell, and see what they print
 * @vm:		VM whose console has a shell
 * @commands:	what to run; whether they fail does not matter
 * @line:	out: the first line of what they print, fit to be shown; may be
 *		empty
 * @size:	of @line
 * @timeout_ms:	how long to wait for the end
 * @err:	error
 *
 * Return: 0 or -errno
 */
int shell_line(const struct vm *vm, const char *commands, char *line,
	       size_t size, int timeout_ms, struct vf_err *err);

#endif
