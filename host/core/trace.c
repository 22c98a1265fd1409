// SPDX-License-Identifier: MIT
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/json.h"
#include "core/fork.h"
#include "core/trace.h"
#include "names.h"

#define COMMAND_PID 1 /* in the trace; the forks follow */
#define TMP_BYTES   32

enum track { TRACK_HOST = 1, TRACK_ENGINE, TRACK_GUEST, TRACK_END };

static const char *const track_names[] = {
	[TRACK_HOST] = "host",
	[TRACK_ENGINE] = "engine",
	[TRACK_GUEST] = "guest",
};

/* Who is busy in which stage. Those of one track follow each other. */
static const enum track tracks[] = {
	[TIMELINE_REQUEST] = TRACK_HOST,   [TIMELINE_IDENTITY] = TRACK_HOST,
	[TIMELINE_TAP] = TRACK_HOST,	   [TIMELINE_SPAWNED] = TRACK_ENGINE,
	[TIMELINE_READY] = TRACK_ENGINE,   [TIMELINE_LOADED] = TRACK_ENGINE,
	[TIMELINE_QUEUED] = TRACK_ENGINE,  [TIMELINE_PATCHED] = TRACK_ENGINE,
	[TIMELINE_RESUMED] = TRACK_ENGINE, [TIMELINE_SIGNAL] = TRACK_GUEST,
	[TIMELINE_MAIL] = TRACK_GUEST,	   [TIMELINE_APPLIED] = TRACK_GUEST,
	[TIMELINE_SENT] = TRACK_GUEST,	   [TIMELINE_ACKED] = TRACK_GUEST,
	[TIMELINE_SETTLED] = TRACK_GUEST,  [TIMELINE_BRIDGE] = TRACK_HOST,
	[TIMELINE_NEIGHBOUR] = TRACK_HOST, [TIMELINE_SHAPED] = TRACK_HOST,
};
static_assert(sizeof(tracks) / sizeof(tracks[0]) == TIMELINE_NUM, "tracks");

void trace_note(struct trace *trace, const char *name, int64_t from_us)
{
	if (trace->num == TRACE_SPANS_MAX)
		return;
	trace->span[trace->num].name = name;
	trace->span[trace->num].from_us = from_us;
	trace->span[trace->num++].at_us = vf_now_us();
}

/* Where an event belongs, and the moment that is its zero. */
struct place {
	json_t *events;
	int64_t start_us;
	int pid;
	int tid;
};

/* An engine that was started ahead of the command began at its zero. */
static json_int_t since(const struct place *p, int64_t at_us)
{
	return at_us > p->start_us ? at_us - p->start_us : 0;
}

static void name_add(const struct place *p, const char *kind, const char *name)
{
	json_array_append_new(p->events,
			      json_pack("{s:s,s:s,s:i,s:i,s:{s:s}}", "name",
					kind, "ph", "M", "pid", p->pid, "tid",
					p->tid, "args", "name", name));
}

/* @args: stolen; NULL for none */
static void span_add(const struct place *p, const char *name, int64_t from_us,
		     int64_t at_us, json_t *args)
{
	json_int_t ts = since(p, from_us);

	json_array_append_new(p->events,
			      json_pack("{s:s,s:s,s:i,s:i,s:I,s:I,s:o*}",
					"name", name, "ph", "X", "pid", p->pid,
					"tid", p->tid, "ts", ts, "dur",
					since(p, at_us) - ts, "args", args));
}

static void instant_add(const struct place *p, const char *name, int64_t at_us,
			json_t *args)
{
	json_array_append_new(p->events,
			      json_pack("{s:s,s:s,s:s,s:i,s:i,s:I,s:o*}",
					"name", name, "ph", "i", "s", "t",
					"pid", p->pid, "tid", p->tid, "ts",
					since(p, at_us), "args", args));
}

/* A fork was resumed, or heard. */
struct turn {
	int64_t at_us;
	int by;
};

static int turn_compare(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	return (x->at_us > y->at_us) - (x->at_us < y->at_us);
}

/* How many forks compete for the processors at any time: the width of the wave. */
static void going_add(const struct place *p, const struct fork_result *result)
{
	__free struct turn *turns =
		calloc(2 * (size_t)result->num + 1, sizeof(*turns));
	unsigned int num = 0;
	int going = 0;

	for (unsigned int i = 0; turns && i < result->num; i++) {
		const int64_t *at_us = result->jobs[i].timeline.at_us;

		if (!at_us[TIMELINE_RESUMED] || !at_us[TIMELINE_ACKED])
			continue;
		turns[num++] = (struct turn){ at_us[TIMELINE_RESUMED], 1 };
		turns[num++] = (struct turn){ at_us[TIMELINE_ACKED], -1 };
	}
	if (num)
		qsort(turns, num, sizeof(*turns), turn_compare);
	for (unsigned int i = 0; i < num; i++) {
		going += turns[i].by;
		json_array_append_new(
			p->events, json_pack("{s:s,s:s,s:i,s:i,s:I,s:{s:i}}",
					     "name", "resumed, not heard", "ph",
					     "C", "pid", p->pid, "tid", p->tid,
					     "ts", since(p, turns[i].at_us),
					     "args", "forks", going));
	}
}

static void command_add(struct place p, const struct trace *trace,
			const char *snapshot, int64_t end_us)
{
	__json json_t *title = json_sprintf("vmfork fork %s", snapshot);

	name_add(&p, "process_name", json_string_value(title));
	name_add(&p, "thread_name", "all forks");
	span_add(&p, "fork", p.start_us, end_us, NULL);
	for (unsigned int i = 0; i < trace->num; i++)
		span_add(&p, trace->span[i].name, trace->span[i].from_us,
			 trace->span[i].at_us, NULL);
}

static const char *outcome_name(const struct fork_job *job)
{
	switch (job->outcome) {
	case FORK_FAILED:
		return "failed";
	case FORK_UNACKED:
		return "not acknowledged";
	case FORK_RUNNING:
		return "running";
	case FORK_ACKED:
		return "acknowledged";
	}
	return NULL;
}

/* How it came out, at the last moment that is known of it. */
static void outcome_add(struct place p, const struct fork_job *job)
{
	int64_t last_us = p.start_us;
	char msg[VF_ERR_MSG_SIZE];

	for (int i = 0; i < TIMELINE_NUM; i++)
		if (job->timeline.at_us[i] > last_us)
			last_us = job->timeline.at_us[i];
	memcpy(msg, job->err.msg, sizeof(msg));
	p.tid = TRACK_HOST;
	instant_add(
		&p, outcome_name(job), last_us,
		json_pack("{s:i,s:I,s:I,s:s?,s:s?}", "pid", (int)job->pid,
			  "faults_minor", (json_int_t)job->faults_minor,
			  "faults_major", (json_int_t)job->faults_major,
			  "signal",
			  job->signal ? vmfork_signal_name(job->signal) : NULL,
			  "error", job->err.num ? vf_ascii(msg) : NULL));
}

static void fork_add(struct place p, const struct fork_job *job)
{
	const struct timeline *tl = &job->timeline;

	name_add(&p, "process_name", job->vm.name);
	for (p.tid = TRACK_HOST; p.tid < TRACK_END; p.tid++)
		name_add(&p, "thread_name", track_names[p.tid]);
	for (int i = 0; i < TIMELINE_NUM; i++) {
		enum timeline_stage stage = (enum timeline_stage)i;
		json_t *args = NULL;

		if (!tl->at_us[i])
			continue;
		p.tid = tracks[i];
		if (p.tid == TRACK_GUEST)
			args = json_pack("{s:I}", "clock_error_us",
					 (json_int_t)job->clock_error_us);
		span_add(&p, timeline_stage_name(stage),
			 timeline_from(tl, stage), tl->at_us[i], args);
	}
	p.tid = TRACK_GUEST;
	if (tl->at_us[TIMELINE_RESUMED])
		instant_add(&p, "runs", tl->at_us[TIMELINE_RESUMED], NULL);
	p.tid = TRACK_HOST;
	for (uint32_t i = 0; i < VMFORK_STAGE_NUM; i++)
		if (job->stage_us[i])
			instant_add(&p, "datagram", job->stage_us[i],
				    json_pack("{s:s}", "stage",
					      vmfork_stage_name(i)));
	outcome_add(p, job);
}

json_t *trace_pack(const struct fork_result *result, const char *snapshot)
{
	struct place p = {
		.events = json_array(),
		.start_us = result->start_us,
		.pid = COMMAND_PID,
		.tid = TRACK_HOST,
	};

	command_add(p, &result->trace, snapshot,
		    result->start_us + result->wall_us);
	going_add(&p, result);
	for (unsigned int i = 0; i < result->num; i++) {
		p.pid++;
		fork_add(p, &result->jobs[i]);
	}
	return json_pack("{s:o,s:s,s:{s:s,s:i,s:I}}", "traceEvents", p.events,
			 "displayTimeUnit", "ms", "otherData", "snapshot",
			 snapshot, "requested", (int)result->num, "wall_us",
			 (json_int_t)result->wall_us);
}

static int dir_open(const char *path, size_t len)
{
	char dir[PATH_MAX];
	int fd;

	if (len >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, len);
	dir[len] = '\0';
	fd = open(len ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/*
 * A file without a name shows it, and leaves nothing. Where the file system has
 * no such thing, it has to be one with a name that nobody has.
 */
static int dir_check(int dir_fd)
{
	char tmp[TMP_BYTES];
	uint64_t random;
	int fd = openat(dir_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		int ret = vf_random(&random, sizeof(random));

		if (ret < 0)
			return ret;
		snprintf(tmp, sizeof(tmp), ".vmfork-%016llx",
			 (unsigned long long)random);
		/* whatever is there already is somebody else's */
		fd = openat(dir_fd, tmp,
			    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0)
			unlinkat(dir_fd, tmp, 0);
	}
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int trace_file_open(struct trace_file *file, const char *path,
		    struct vf_err *err)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *name = slash ? slash + 1 : path;
	struct stat st;
	int ret;

	*file = (struct trace_file){ .dir_fd = -1, .path = path };
	if (!path)
		return 0;
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return vf_err_set(err, EISDIR, "trace %s: names no file", path);
	/* what is made first has a name that is a little longer */
	if (strlen(name) > NAME_MAX - strlen("..tmp"))
		return vf_err_errno(err, ENAMETOOLONG, "trace %s", path);
	strcpy(file->name, name);
	file->dir_fd = dir_open(path, (size_t)(name - path));
	ret = file->dir_fd < 0 ? file->dir_fd : dir_check(file->dir_fd);
	if (ret < 0)
		return vf_err_errno(err, ret, "trace %s", path);
	/* it is replaced: a device or a link must not be */
	if (fstatat(file->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !S_ISREG(st.st_mode))
		return vf_err_set(err, EEXIST,
				  "trace %s: exists and is no regular file",
				  path);
	return 0;
}

int trace_file_write(const struct trace_file *file,
		     const struct fork_result *result, const char *snapshot,
		     struct vf_err *err)
{
	__json json_t *json = NULL;
	int ret;

	if (file->dir_fd < 0)
		return 0;
	json = trace_pack(result, snapshot);
	ret = vf_json_save(file->dir_fd, file->name, json, false, err);
	return ret < 0 ? vf_err_wrap(err, "trace") : 0;
}

void trace_file_close(struct trace_file *file)
{
	vf_close_fd(&file->dir_fd);
	file->dir_fd = -1;
}
