// SPDX-License-Identifier: MIT
/*
 * A snapshot that somebody else finishes: a process of its own takes it from the
 * first moment on, and tells the command when the VM runs again. So it does not
 * matter what becomes of the command. snapshot.h holds the contract.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/gc.h"
#include "core/snapshot.h"
#include "core/stage.h"
#include "core/take.h"

#define DYING_MS 10000
#define UNDO_MS	 60000
/* The longest way to a VM that runs again: what is no image and no hold of it. */
#define REPORT_US 120000000
/* Where the mailbox is known only afterwards: shot, written, and shot again. */
#define SAVES 3
/* And the guest may be asked again, if it was just being restored. */
#define HOLDS 2

/* What the finisher tells the command. */
struct report {
	struct vf_err err; /* num is 0: the VM runs again */
	struct snapshot snapshot;
};
static_assert(sizeof(struct report) <= PIPE_BUF, "written at once");

struct finisher {
	int fd;	      /* to the command; -1: it was told */
	int watch_fd; /* to the watcher */
};

/* What the finisher tells its watcher; its end without a word: it was killed. */
enum watch_word {
	WATCH_PROMISED = 'p', /* the command goes, and says that all is well */
	WATCH_ENDED = 'e',
};

/*
 * The command has gone: if the finisher is killed now, nobody else can say that
 * what was promised will never be.
 */
static _Noreturn void watcher_run(const struct vf_state *state,
				  const char *name, struct process *finisher,
				  int fd)
{
	bool promised = false;
	char word;
	ssize_t n;

	setsid();
	while ((n = read(fd, &word, 1)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || word == WATCH_ENDED)
			_exit(0);
		promised = true;
	}
	/* a dying process still counts as one that writes */
	if (promised && process_wait(finisher, DYING_MS) == 0)
		stage_break(state, name, "its process was killed");
	_exit(0);
}

static int watcher_start(struct finisher *f, const struct vf_state *state,
			 const char *name, struct vf_err *err)
{
	struct process self;
	int fds[2] = { -1, -1 }, ret;
	pid_t pid;

	ret = process_open_own(&self, getpid());
	if (!ret && pipe2(fds, O_CLOEXEC) < 0)
		ret = -errno;
	if (ret < 0) {
		process_close(&self);
		return vf_err_errno(err, ret, "snapshot");
	}
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		/* a copy of it would keep the command waiting */
		close(f->fd);
		watcher_run(state, name, &self, fds[0]);
	}
	close(fds[0]);
	process_close(&self);
	f->watch_fd = fds[1];
	return pid < 0 ? vf_err_errno(err, errno, "snapshot") : 0;
}

static void watcher_tell(const struct finisher *f, char word)
{
	(void)!write(f->watch_fd, &word, 1);
}

static void tell(struct finisher *f, const struct snapshot *s,
		 const struct vf_err *err)
{
	struct report report = { 0 };

	if (f->fd < 0)
		return;
	if (s)
		report.snapshot = *s;
	if (err)
		report.err = *err;
	(void)!write(f->fd, &report, sizeof(report));
	close(vf_steal_fd(&f->fd));
}

static void on_running(const struct snapshot *s, void *ctx)
{
	watcher_tell(ctx, WATCH_PROMISED);
	tell(ctx, s, NULL);
}

/* Whoever reads why it is broken is told which one it is. */
static const char *without_name(const char *msg, const char *name)
{
	char prefix[VF_NAME_MAX + sizeof("snapshot : ")];
	int len = snprintf(prefix, sizeof(prefix), "snapshot %s: ", name);

	return strncmp(msg, prefix, (size_t)len) != 0 ? msg : msg + len;
}

static _Noreturn void finisher_run(const struct vf_state *state,
				   const struct vm *vm,
				   const struct snapshot_request *request,
				   int fd)
{
	struct finisher f = { .fd = fd, .watch_fd = -1 };
	struct snapshot_request own = *request;
	struct snapshot s = { .dir_fd = -1 };
	struct vf_err err = { 0 };
	int ret;

	process_detach();
	own.running = on_running;
	own.ctx = &f;
	ret = watcher_start(&f, state, request->name, &err);
	if (!ret)
		ret = gc_command_begin(state, GC_MAKES, &err);
	if (!ret)
		ret = snapshot_take(&s, state, vm, &own, &err);
	/* the command has gone, and said that all is well: say it here */
	if (ret < 0 && f.fd < 0)
		stage_break(state, request->name,
			    without_name(err.msg, request->name));
	watcher_tell(&f, WATCH_ENDED);
	tell(&f, NULL, &err);
	gc_command_end(state);
	_exit(0);
}

static int64_t report_deadline_us(const struct vm *vm,
				  const struct snapshot_request *request)
{
	return vf_now_us() + REPORT_US +
	       SAVES * take_save_us(vm->hardware.config.memory_bytes) +
	       HOLDS * (int64_t)request->hold.timeout_ms * 1000;
}

static int report_read(int fd, pid_t pid, const struct vm *vm,
		       const struct snapshot_request *request,
		       struct report *report, struct vf_err *err)
{
	int ret = vf_wait_readable(fd, request->cancel_fd,
				   report_deadline_us(vm, request));

	/* then it undoes what it began, and says so */
	if (ret < 0) {
		kill(pid, SIGTERM);
		ret = vf_wait_readable(fd, -1, vf_now_us() + UNDO_MS * 1000LL);
	}
	if (ret < 0)
		return vf_err_errno(err, ret, "snapshot %s", request->name);
	if (read(fd, report, sizeof(*report)) != sizeof(*report))
		return vf_err_set(err, ECHILD,
				  "snapshot %s: its process was killed",
				  request->name);
	if (report->err.num) {
		*err = report->err;
		return -err->num;
	}
	return 0;
}

/* It ends soon; if it hangs, it goes on undoing without us. */
static void finisher_leave(pid_t pid)
{
	struct process finisher;

	if (process_open_own(&finisher, pid) == 0)
		process_wait(&finisher, DYING_MS);
	process_close(&finisher);
}

int snapshot_take_detached(struct snapshot *s, const struct vf_state *state,
			   const struct vm *vm,
			   const struct snapshot_request *request,
			   struct vf_err *err)
{
	struct report report;
	int fds[2], ret;
	pid_t pid;

	*s = (struct snapshot){ .dir_fd = -1 };
	if (pipe2(fds, O_CLOEXEC) < 0)
		return vf_err_errno(err, errno, "snapshot");
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		finisher_run(state, vm, request, fds[1]);
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return vf_err_errno(err, errno, "snapshot");
	}
	ret = report_read(fds[0], pid, vm, request, &report, err);
	close(fds[0]);
	if (ret < 0) {
		finisher_leave(pid);
		return ret;
	}
	*s = report.snapshot;
	s->dir_fd = -1;
	s->writing = true;
	return 0;
}
