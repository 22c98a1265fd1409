// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hooks.h"
#include "log.h"
#include "monotonic.h"

/* What is killed is gone at once, unless a disk or a server holds it. */
#define DIES_WITHIN_NS (1 * NS_PER_S)

static bool name_is_good(const char *name)
{
	if (*name == '.' || strlen(name) >= HOOKS_NAME_LEN)
		return false;
	for (; *name; name++) {
		if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
			return false;
	}
	return true;
}

/* Whoever may write to it would be root by the next restore. */
static bool is_safe(const struct stat *st)
{
	return (st->st_uid == 0 || st->st_uid == geteuid()) &&
	       !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static bool file_is_hook(int dir_fd, const char *dir, const char *name)
{
	struct stat st;

	if (!name_is_good(name) ||
	    fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode) || !(st.st_mode & S_IXUSR))
		return false;
	if (is_safe(&st))
		return true;
	log_line(LOG_ERROR, "%s/%s: not run: others may write to it", dir,
		 name);
	return false;
}

static int name_insert(struct hooks *hooks, const char *name)
{
	unsigned int i = hooks->num;

	if (i == HOOKS_MAX)
		return -E2BIG;
	for (; i > 0 && strcmp(hooks->names[i - 1], name) > 0; i--)
		memcpy(hooks->names[i], hooks->names[i - 1], HOOKS_NAME_LEN);
	memcpy(hooks->names[i], name, strlen(name) + 1);
	hooks->num++;
	return 0;
}

static int directory_list(struct hooks *hooks, const char *path)
{
	const struct dirent *entry;
	struct stat st;
	DIR *dir = opendir(path);
	int ret = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(dirfd(dir), &st) < 0)
		ret = -errno;
	else if (!is_safe(&st))
		ret = -EPERM;
	while (!ret && (entry = readdir(dir))) {
		if (file_is_hook(dirfd(dir), path, entry->d_name))
			ret = name_insert(hooks, entry->d_name);
	}
	closedir(dir);
	return ret;
}

static int actions_fill(posix_spawn_file_actions_t *actions,
			const struct hooks_run *run)
{
	int ret = posix_spawn_file_actions_addopen(
		actions, 0, run->input ? run->input : "/dev/null", O_RDONLY, 0);

	return ret ? ret : posix_spawn_file_actions_addchdir_np(actions, "/");
}

/* What we block is not for others to inherit. */
static void attributes_fill(posix_spawnattr_t *attr)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &all);
	posix_spawnattr_setpgroup(attr, 0);
	posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK |
					       POSIX_SPAWN_SETSIGDEF |
					       POSIX_SPAWN_SETPGROUP);
}

/*
 * posix_spawn() shares our memory until the program is there: what is locked is
 * not copied. The scheduling policy resets itself (SCHED_RESET_ON_FORK).
 */
static int hook_spawn(struct hooks *hooks, const char *name)
{
	char path[HOOKS_PATH_LEN], argument[16];
	char *argv[] = { path, NULL, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int ret;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", hooks->run.dir,
			     name) >= sizeof(path))
		return -ENAMETOOLONG;
	if (hooks->run.argument) {
		snprintf(argument, sizeof(argument), "%s", hooks->run.argument);
		argv[1] = argument;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	attributes_fill(&attr);
	ret = actions_fill(&actions, &hooks->run);
	if (!ret)
		ret = posix_spawn(&hooks->pid, path, &actions, &attr, argv,
				  hooks->run.env);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	if (ret)
		hooks->pid = 0;
	return -ret;
}

static void hook_forget(struct hooks *hooks)
{
	if (hooks->pid_fd >= 0) {
		loop_del_fd(hooks->loop, hooks->pid_fd);
		close(hooks->pid_fd);
	}
	hooks->pid_fd = -1;
	hooks->pid = 0;
	hooks->timer.due_ns = 0;
}

static void gone_cb(void *arg, int fd, short revents)
{
	struct hooks *hooks = arg;

	(void)revents;
	for (unsigned int i = 0; i < HOOKS_DYING_MAX; i++) {
		if (!hooks->dying[i].pid || hooks->dying[i].pid_fd != fd)
			continue;
		waitpid(hooks->dying[i].pid, NULL, WNOHANG);
		hooks->dying[i].pid = 0;
		loop_del_fd(hooks->loop, fd);
		close(fd);
	}
}

/* Nobody waits for its end any more, but a zombie it shall not stay. */
static void hook_abandon(struct hooks *hooks)
{
	unsigned int i = 0;

	loop_del_fd(hooks->loop, hooks->pid_fd);
	while (i < HOOKS_DYING_MAX && hooks->dying[i].pid)
		i++;
	if (i < HOOKS_DYING_MAX &&
	    !loop_add_fd(hooks->loop, hooks->pid_fd, gone_cb, hooks)) {
		hooks->dying[i].pid = hooks->pid;
		hooks->dying[i].pid_fd = hooks->pid_fd;
		hooks->pid_fd = -1;
	}
	hook_forget(hooks);
}

static void hook_kill(const struct hooks *hooks)
{
	kill(-hooks->pid, SIGKILL);
	kill(hooks->pid, SIGKILL); /* it may have left its group */
}

static void ended_cb(void *arg, int fd, short revents);

/* Return: 0, it runs, or -errno */
static int hook_begin(struct hooks *hooks, const char *name)
{
	int ret = hook_spawn(hooks, name);

	if (ret < 0)
		return ret;
	/* it is ours to reap, so its id is its own until then */
	hooks->pid_fd = (int)syscall(SYS_pidfd_open, hooks->pid, 0);
	ret = hooks->pid_fd < 0 ? -errno
				: loop_add_fd(hooks->loop, hooks->pid_fd,
					      ended_cb, hooks);
	if (ret < 0) {
		hook_kill(hooks);
		waitpid(hooks->pid, NULL, 0);
		hook_forget(hooks);
		return ret;
	}
	hooks->timer.due_ns = hooks->end_ns;
	return 0;
}

static const char *hook_name(const struct hooks *hooks)
{
	unsigned int i = hooks->at;

	return hooks->names[hooks->is_backwards ? hooks->num_ran - 1 - i : i];
}

static void fail(struct hooks *hooks, int ret, const char *why)
{
	log_line(LOG_ERROR, "hook %s/%s: %s", hooks->run.dir, hook_name(hooks),
		 why);
	if (!hooks->error)
		hooks->error = ret;
}

static bool is_over(const struct hooks *hooks)
{
	if (hooks->at == (hooks->is_backwards ? hooks->num_ran : hooks->num))
		return true;
	return hooks->error && hooks->run.policy == VMFORK_POLICY_FAIL;
}

/* Begin the next one. Return: as hooks_start() */
static int hooks_next(struct hooks *hooks)
{
	int ret;

	for (; !is_over(hooks); hooks->at++) {
		if (monotonic_ns() >= hooks->end_ns) {
			fail(hooks, -ETIMEDOUT, "no time left");
			break;
		}
		ret = hook_begin(hooks, hook_name(hooks));
		if (!hooks->is_backwards)
			hooks->num_ran = hooks->at + 1;
		if (!ret)
			return HOOKS_LATER;
		fail(hooks, ret, strerror(-ret));
	}
	return hooks->run.policy == VMFORK_POLICY_FAIL ? hooks->error : 0;
}

static void hooks_go_on(struct hooks *hooks, bool is_last)
{
	int ret;

	hooks->at++;
	if (is_last)
		ret = hooks->run.policy == VMFORK_POLICY_FAIL ? hooks->error
							      : 0;
	else
		ret = hooks_next(hooks);
	if (ret != HOOKS_LATER)
		hooks->run.cb(hooks->run.arg, ret);
}

static void ended_cb(void *arg, int fd, short revents)
{
	struct hooks *hooks = arg;
	bool was_killed = hooks->is_killed;
	char why[48];
	int status;

	(void)fd;
	(void)revents;
	if (waitpid(hooks->pid, &status, WNOHANG) != hooks->pid)
		return;
	hook_forget(hooks);
	if (was_killed) {
		/* said already */
	} else if (WIFSIGNALED(status)) {
		snprintf(why, sizeof(why), "killed by signal %d",
			 WTERMSIG(status));
		fail(hooks, -EIO, why);
	} else if (WEXITSTATUS(status)) {
		snprintf(why, sizeof(why), "exit status %d",
			 WEXITSTATUS(status));
		fail(hooks, -EIO, why);
	}
	hooks_go_on(hooks, was_killed);
}

static void timer_cb(void *arg)
{
	struct hooks *hooks = arg;

	if (!hooks->pid)
		return;
	if (!hooks->is_killed) {
		hooks->is_killed = true;
		hook_kill(hooks);
		fail(hooks, -ETIMEDOUT, "killed: the time is over");
		hooks->timer.due_ns = monotonic_ns() + DIES_WITHIN_NS;
		return;
	}
	hook_abandon(hooks); /* the kernel holds it */
	hooks_go_on(hooks, true);
}

static int hooks_begin(struct hooks *hooks, const struct hooks_run *run)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	hooks->run = *run;
	hooks->at = 0;
	hooks->error = 0;
	hooks->is_killed = false;
	hooks->end_ns = monotonic_ns() + run->timeout_ms * NS_PER_MS;
	return hooks_next(hooks);
}

int hooks_start(struct hooks *hooks, const struct hooks_run *run)
{
	int ret;

	if (hooks_is_busy(hooks))
		return -EBUSY;
	hooks->num = 0;
	hooks->num_ran = 0;
	hooks->is_backwards = false;
	ret = directory_list(hooks, run->dir);
	if (ret < 0) {
		log_line(LOG_ERROR, "%s: %s", run->dir, strerror(-ret));
		return run->policy == VMFORK_POLICY_FAIL ? ret : 0;
	}
	return hooks->num ? hooks_begin(hooks, run) : 0;
}

int hooks_start_backwards(struct hooks *hooks, const struct hooks_run *run)
{
	if (hooks_is_busy(hooks))
		return -EBUSY;
	hooks->is_backwards = true;
	return hooks->num_ran ? hooks_begin(hooks, run) : 0;
}

void hooks_stop(struct hooks *hooks)
{
	if (!hooks_is_busy(hooks))
		return;
	hook_kill(hooks);
	hook_abandon(hooks);
}

int hooks_init(struct hooks *hooks, struct loop *loop)
{
	*hooks = (struct hooks){ .loop = loop, .pid_fd = -1 };
	return loop_add_timer(loop, &hooks->timer, timer_cb, hooks);
}
