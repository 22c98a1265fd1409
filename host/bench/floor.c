// SPDX-License-Identifier: MIT
/* A bare loop over engines. floor.h holds the contract. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/process.h"
#include "base/usage.h"
#include "bench/floor.h"

#define OWNER	     "bench-floor"
#define TAP_NAME     "vfbench"
#define DEADLINE_US  (300 * 1000000LL)
#define STACK_BYTES  65536
#define ANSWER_BYTES 8192
#define WORD_BYTES   16 /* longer than any that is waited for */
#define LOG_BYTES    200

enum phase {
	PHASE_STARTING,
	PHASE_LOADING,
	PHASE_LOADED,
	PHASE_RESUMING,
	PHASE_RUNNING,
};

struct floor_engine {
	struct process proc;
	int fds[FLOOR_FDS_MAX]; /* its own, until it has been started */
	int qmp_fd;
	enum phase phase;
	char answer[ANSWER_BYTES];
	size_t used;
};

/* What the loop waits for in each phase that it does not end itself. */
static const char *const words[] = {
	[PHASE_STARTING] = "\"QMP\"",
	[PHASE_LOADING] = "\"completed\"",
	[PHASE_RESUMING] = "\"RESUME\"",
	[PHASE_RUNNING] = NULL,
};

/* For the child, which shares our memory until it has become the engine. */
struct birth {
	const struct floor_model *model;
	const struct floor_engine *engine;
	pid_t parent;
	int error;
};

static int child(void *arg)
{
	struct birth *b = arg;
	const struct floor_model *m = b->model;

	/* nothing of it is on record: it must not outlive us */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != b->parent)
		_exit(127);
	setsid();
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	dup2(m->log_fd, STDOUT_FILENO);
	dup2(m->log_fd, STDERR_FILENO);
	for (unsigned int i = 0; i < m->num_fds; i++)
		dup2(b->engine->fds[i], m->fds[i].number);
	execv(m->program, m->argv);
	b->error = errno;
	_exit(127);
}

/* As posix_spawn() does it, which cannot tie a child to our life. */
static int spawn(struct floor_engine *engine, const struct floor_model *model)
{
	__free char *stack = malloc(STACK_BYTES);
	struct birth birth = {
		.model = model,
		.engine = engine,
		.parent = getpid(),
	};
	pid_t pid;

	if (!stack)
		return -ENOMEM;
	pid = clone(child, stack + STACK_BYTES,
		    CLONE_VM | CLONE_VFORK | SIGCHLD, &birth);
	if (pid < 0)
		return -errno;
	if (process_open_own(&engine->proc, pid) < 0) {
		/* nobody could end it later */
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return -EMFILE;
	}
	return -birth.error;
}

/* A socket without a file, whose address the kernel chooses. */
static int listen_anywhere(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	__close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(sa_family_t)) < 0 ||
	    listen(fd, 1) < 0)
		return -errno;
	return floor_fd_move(vf_steal_fd(&fd));
}

static int connect_to(int listen_fd)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);
	__close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    getsockname(listen_fd, (struct sockaddr *)&addr, &len) < 0 ||
	    connect(fd, (struct sockaddr *)&addr, len) < 0)
		return -errno;
	return floor_fd_move(vf_steal_fd(&fd));
}

static int open_tap(struct vf_err *err)
{
	struct net_port port = { .owner = OWNER, .tap = TAP_NAME };
	int fd = net_port_open(&port, err);

	if (fd < 0)
		return fd;
	fd = floor_fd_move(fd);
	return fd < 0 ? vf_err_errno(err, fd, "floor") : fd;
}

/* What takes long and is none of the floor's business. */
static int open_taps(struct floor_engine *engine,
		     const struct floor_model *model, struct vf_err *err)
{
	for (unsigned int i = 0; i < model->num_fds; i++) {
		if (model->fds[i].kind != FLOOR_FD_TAP)
			continue;
		engine->fds[i] = open_tap(err);
		if (engine->fds[i] < 0)
			return engine->fds[i];
	}
	return 0;
}

static int open_sockets(struct floor_engine *engine,
			const struct floor_model *model)
{
	for (unsigned int i = 0; i < model->num_fds; i++) {
		const struct floor_fd *fd = &model->fds[i];

		if (fd->kind != FLOOR_FD_SOCKET)
			continue;
		engine->fds[i] = listen_anywhere();
		if (engine->fds[i] < 0)
			return engine->fds[i];
		if (!fd->is_qmp)
			continue;
		/* what is asked waits in the socket until the engine is up */
		engine->qmp_fd = connect_to(engine->fds[i]);
		if (engine->qmp_fd < 0)
			return engine->qmp_fd;
	}
	return 0;
}

/* Once it is started they are the engine's, and live and die with it. */
static void close_fds(struct floor_engine *engine,
		      const struct floor_model *model)
{
	for (unsigned int i = 0; i < model->num_fds; i++) {
		if (model->fds[i].kind != FLOOR_FD_FILE)
			vf_close_fd(&engine->fds[i]);
		engine->fds[i] = -1;
	}
}

static int start(struct floor_engine *engine, const struct floor_model *model)
{
	int ret = open_sockets(engine, model);

	if (!ret)
		ret = spawn(engine, model);
	close_fds(engine, model);
	return ret;
}

static int say(struct floor_engine *engine, enum phase phase, const char *lines)
{
	engine->phase = phase;
	engine->used = 0;
	return vf_write_all(engine->qmp_fd, lines, strlen(lines));
}

static int say_load(struct floor_engine *engine,
		    const struct floor_model *model)
{
	char lines[PATH_MAX + 512];

	snprintf(lines, sizeof(lines),
		 "{\"execute\":\"qmp_capabilities\"}\n"
		 "{\"execute\":\"migrate-set-capabilities\",\"arguments\":"
		 "{\"capabilities\":[{\"capability\":\"events\","
		 "\"state\":true}]}}\n"
		 "{\"execute\":\"migrate-incoming\",\"arguments\":"
		 "{\"uri\":\"file:%s\"}}\n",
		 model->state_path);
	return say(engine, PHASE_LOADING, lines);
}

/* Return: 1 if the word came by, 0, -errno */
static int hear(struct floor_engine *engine)
{
	size_t room = sizeof(engine->answer) - 1 - engine->used;
	ssize_t n = read(engine->qmp_fd, engine->answer + engine->used, room);

	if (n <= 0)
		return n < 0 && errno == EINTR ? 0 : -ECONNRESET;
	engine->used += (size_t)n;
	engine->answer[engine->used] = '\0';
	if (strstr(engine->answer, words[engine->phase]))
		return 1;
	if (engine->used > sizeof(engine->answer) / 2) {
		/* all but what may be half a word */
		memmove(engine->answer,
			engine->answer + engine->used - WORD_BYTES, WORD_BYTES);
		engine->used = WORD_BYTES;
	}
	return 0;
}

/* A phase has ended. */
static int advance(struct floor_run *run, unsigned int i,
		   const struct floor_model *model, int64_t start_us)
{
	struct floor_engine *engine = &run->engines[i];

	if (engine->phase == PHASE_STARTING)
		return say_load(engine, model);
	if (engine->phase == PHASE_LOADING) {
		engine->phase = PHASE_LOADED;
		return 0;
	}
	run->resumed_us[i] = vf_now_us() - start_us;
	engine->phase = PHASE_RUNNING;
	return 0;
}

/* Loads and resumptions side by side would take much longer. */
static int resume_all(struct floor_run *run)
{
	int ret = 0;

	for (unsigned int i = 0; i < run->num; i++)
		if (run->engines[i].phase != PHASE_LOADED)
			return 0;
	for (unsigned int i = 0; !ret && i < run->num; i++)
		ret = say(&run->engines[i], PHASE_RESUMING,
			  "{\"execute\":\"cont\"}\n");
	return ret;
}

/* Whom to listen to. Return: how many */
static unsigned int watch(const struct floor_run *run, struct pollfd *fds)
{
	unsigned int busy = 0;

	for (unsigned int i = 0; i < run->num; i++) {
		const struct floor_engine *engine = &run->engines[i];
		bool waits = engine->phase != PHASE_RUNNING &&
			     engine->phase != PHASE_LOADED;

		fds[i] = (struct pollfd){ .fd = waits ? engine->qmp_fd : -1,
					  .events = POLLIN };
		busy += waits;
	}
	return busy;
}

static int drive(struct floor_run *run, const struct floor_model *model,
		 struct pollfd *fds, int cancel_fd, int64_t start_us)
{
	fds[run->num] = (struct pollfd){ .fd = cancel_fd, .events = POLLIN };
	while (watch(run, fds)) {
		int64_t left_us = start_us + DEADLINE_US - vf_now_us();
		int ret = 0;

		if (left_us <= 0)
			return -ETIMEDOUT;
		if (poll(fds, run->num + 1, (int)(left_us / 1000) + 1) < 0 &&
		    errno != EINTR)
			return -errno;
		if (fds[run->num].revents)
			return -ECANCELED;
		for (unsigned int i = 0; ret >= 0 && i < run->num; i++) {
			if (!fds[i].revents)
				continue;
			ret = hear(&run->engines[i]);
			if (ret > 0)
				ret = advance(run, i, model, start_us);
		}
		if (ret >= 0)
			ret = resume_all(run);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* What went wrong; the engines' last words, if there are any. */
static int fail(const struct floor_model *model, int error, struct vf_err *err)
{
	char log[LOG_BYTES + 1];
	off_t size = lseek(model->log_fd, 0, SEEK_END);
	off_t from = size > LOG_BYTES ? size - LOG_BYTES : 0;
	ssize_t n = pread(model->log_fd, log, LOG_BYTES, from);

	if (error != -ECONNRESET || n <= 0)
		return vf_err_errno(err, error, "floor");
	log[n] = '\0';
	log[strcspn(log, "\n")] = '\0';
	return vf_err_set(err, error, "floor: QEMU ended: %s", vf_ascii(log));
}

static int alloc_run(struct floor_run *run, unsigned int num)
{
	*run = (struct floor_run){
		.engines = calloc(num, sizeof(*run->engines)),
		.resumed_us = calloc(num, sizeof(*run->resumed_us)),
		.pids = calloc(num, sizeof(*run->pids)),
	};
	if (!run->engines || !run->resumed_us || !run->pids)
		return -ENOMEM;
	/* floor_end() closes what is not -1, also of those never started */
	for (unsigned int i = 0; i < num; i++) {
		run->engines[i].proc.pidfd = -1;
		run->engines[i].qmp_fd = -1;
	}
	run->num = num;
	return 0;
}

static int prepare(struct floor_run *run, const struct floor_model *model,
		   struct vf_err *err)
{
	int ret = 0;

	for (unsigned int i = 0; i < run->num; i++) {
		struct floor_engine *engine = &run->engines[i];

		for (unsigned int k = 0; k < FLOOR_FDS_MAX; k++)
			engine->fds[k] = -1;
		for (unsigned int k = 0; k < model->num_fds; k++)
			engine->fds[k] = model->fds[k].file_fd;
	}
	for (unsigned int i = 0; !ret && i < run->num; i++)
		ret = open_taps(&run->engines[i], model, err);
	return ret;
}

static int64_t own_cpu_us(void)
{
	int64_t us = 0;

	usage_cpu_us(getpid(), &us);
	return us;
}

int floor_begin(struct floor_run *run, const struct floor_model *model,
		unsigned int num, int cancel_fd, struct vf_err *err)
{
	__free struct pollfd *fds = calloc(num + 1, sizeof(*fds));
	int64_t start_us;
	int ret = alloc_run(run, num);

	if (ret < 0 || !fds)
		return vf_err_errno(err, ENOMEM, "floor");
	ret = prepare(run, model, err);
	if (ret < 0) {
		for (unsigned int i = 0; i < num; i++)
			close_fds(&run->engines[i], model);
		return ret;
	}
	run->cpu_us = -own_cpu_us();
	start_us = vf_now_us();
	for (unsigned int i = 0; !ret && i < num; i++) {
		ret = start(&run->engines[i], model);
		run->pids[i] = run->engines[i].proc.pid;
	}
	if (!ret)
		ret = drive(run, model, fds, cancel_fd, start_us);
	run->cpu_us += own_cpu_us();
	/* of those that were not started */
	for (unsigned int i = 0; ret < 0 && i < num; i++)
		close_fds(&run->engines[i], model);
	return ret < 0 ? fail(model, ret, err) : 0;
}

void floor_end(struct floor_run *run)
{
	for (unsigned int i = 0; i < run->num; i++)
		if (run->engines[i].proc.pidfd >= 0)
			process_signal(&run->engines[i].proc, SIGKILL);
	for (unsigned int i = 0; i < run->num; i++) {
		process_kill(&run->engines[i].proc, 0);
		process_close(&run->engines[i].proc);
		vf_close_fd(&run->engines[i].qmp_fd);
	}
	free(run->engines);
	free(run->resumed_us);
	free(run->pids);
	*run = (struct floor_run){ 0 };
}
