// SPDX-License-Identifier: MIT
/* One burst, by the command itself or by the floor. burst.h has the contract. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/process.h"
#include "base/usage.h"
#include "bench/burst_take.h"
#include "bench/stats.h"

#define PREFIX_BYTES 32
#define SELF	     "/proc/self/exe"
#define OUTPUT_BYTES (FORK_MAX << 14) /* what is not written takes no memory */
#define WORDS_MAX    (FORK_MAX + 16)
#define TIMEOUT	     "600" /* for forks to answer, seconds */
#define COMMAND_MS   900000
#define EXIT_PARTLY  3 /* some forks failed; what it printed tells which */

/* A command of ours: what it printed, and what it took. */
struct call {
	json_t *said;
	int64_t wall_us;
	int64_t cpu_us;
};

static int64_t cpu_of(int who)
{
	struct rusage u;

	if (getrusage(who, &u) < 0)
		return 0;
	return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

/* Of this run's forks; others are strangers, whatever they are called. */
static const char *prefix_format(char text[PREFIX_BYTES])
{
	snprintf(text, PREFIX_BYTES, "bench-burst-%d", (int)getpid());
	return text;
}

/*
 * Run the command. Its engines are no children of ours, their time not its.
 * @cancel_fd: -1 for what has to be done in any case
 */
static int call(struct call *c, const struct burst_plan *plan, int cancel_fd,
		const char *const *words, unsigned int num, struct vf_err *err)
{
	__free char *output = malloc(OUTPUT_BYTES);
	const char *argv[WORDS_MAX + 8] = { SELF };
	unsigned int n = 1;
	json_error_t error;
	int ret;

	*c = (struct call){ 0 };
	if (!output)
		return vf_err_errno(err, ENOMEM, "burst");
	for (unsigned int i = 0; i < num && n < WORDS_MAX; i++)
		argv[n++] = words[i];
	argv[n++] = "--json";
	if (plan->state_path) {
		argv[n++] = "--state";
		argv[n++] = plan->state_path;
	}
	c->cpu_us = -cpu_of(RUSAGE_CHILDREN);
	c->wall_us = -vf_now_us();
	ret = process_answer((char **)argv, output, OUTPUT_BYTES, COMMAND_MS,
			     cancel_fd, err);
	c->wall_us += vf_now_us();
	c->cpu_us += cpu_of(RUSAGE_CHILDREN);
	if (ret == -ECANCELED)
		return vf_err_errno(err, ret, "burst");
	/* it has told why */
	if (ret < 0 ||
	    (ret && (ret != EXIT_PARTLY || strcmp(words[0], "fork"))))
		return vf_err_set(err, ret < 0 ? ret : EREMOTEIO,
				  "'vmfork %s' failed", words[0]);
	c->said = json_loads(output, 0, &error);
	if (!c->said)
		return vf_err_set(err, EBADMSG,
				  "'vmfork %s' said what is not "
				  "JSON",
				  words[0]);
	return 0;
}

/* A command whose words are all of its user's. */
#define CALL(c, plan, err, ...)                                              \
	({                                                                   \
		const char *const words_[] = { __VA_ARGS__ };                \
		call(c, plan, (plan)->cancel_fd, words_, ARRAY_SIZE(words_), \
		     err);                                                   \
	})

static bool waits(enum burst_variant v)
{
	return v == BURST_FORK || v == BURST_AT_ONCE || v == BURST_POOL;
}

static int fork_burst(struct call *c, const struct burst_row *row,
		      const struct burst_plan *plan, struct vf_err *err)
{
	enum burst_variant v = row->variant;
	const char *wait = waits(v) ? plan->answer : "none";
	char num[16], prefix[PREFIX_BYTES];

	prefix_format(prefix);
	snprintf(num, sizeof(num), "%u", row->num);
	if (v == BURST_AT_ONCE)
		return CALL(c, plan, err, "fork", plan->snapshot, "-n", num,
			    "--name", prefix, "--wait", wait, "--timeout",
			    TIMEOUT, "--waves", "all");
	return CALL(c, plan, err, "fork", plan->snapshot, "-n", num, "--name",
		    prefix, "--wait", wait, "--timeout", TIMEOUT);
}

/* End all that has our name, whatever the last command came to. */
static int end_burst(const struct vf_state *state,
		     const struct burst_plan *plan, struct call *c,
		     struct vf_err *err)
{
	__json json_t *names = NULL;
	const char *words[WORDS_MAX] = { "stop" };
	unsigned int num = 1;
	char prefix[PREFIX_BYTES];
	size_t i, len = strlen(prefix_format(prefix));
	json_t *name;
	int ret = vm_list(state, &names, err);

	*c = (struct call){ 0 };
	if (ret < 0)
		return ret;
	json_array_foreach(names, i, name) {
		const char *text = json_string_value(name);

		if (!strncmp(text, prefix, len) && text[len] == '-' &&
		    num < WORDS_MAX)
			words[num++] = text;
	}
	return num > 1 ? call(c, plan, -1, words, num, err) : 0;
}

/* The times at which forks reached a stage, and how they spread. */
static void spread(int64_t *samples, unsigned int num, int64_t *p50,
		   int64_t *p90, int64_t *max)
{
	stats_sort(samples, num);
	*p50 = num ? stats_percentile(samples, num, 50) : BURST_UNKNOWN;
	*p90 = num ? stats_percentile(samples, num, 90) : BURST_UNKNOWN;
	*max = num ? stats_percentile(samples, num, 100) : BURST_UNKNOWN;
}

/* Of a burst of which some have not come so far, nothing is said. */
static void spread_resumed(struct burst_row *row, int64_t *samples,
			   unsigned int num)
{
	int64_t *v = row->value;

	num = num == row->num ? num : 0;

	spread(samples, num, &v[BURST_RESUMED_P50_US], &v[BURST_RESUMED_P90_US],
	       &v[BURST_RESUMED_MAX_US]);
}

/* How many forks have come to a stage, and when. */
static unsigned int moments(const json_t *forks, const char *stage,
			    int64_t *samples)
{
	unsigned int num = 0;
	json_t *fork;
	size_t i;

	json_array_foreach(forks, i, fork) {
		json_t *at = json_object_get(
			json_object_get(fork, "timeline_us"), stage);

		if (json_is_integer(at))
			samples[num++] = json_integer_value(at);
	}
	return num;
}

/* What engines used; a mean is of those that could be asked. */
static void add_usage(struct burst_row *row, const pid_t *pids,
		      unsigned int num)
{
	uint64_t private_bytes = 0, shared_bytes = 0, minor = 0, major = 0;
	int64_t cpu_us = 0, us;
	unsigned int asked = 0;

	for (unsigned int i = 0; i < num; i++) {
		struct usage_memory memory;
		uint64_t min, maj;

		if (usage_cpu_us(pids[i], &us) < 0 ||
		    usage_memory(pids[i], &memory) < 0 ||
		    process_faults(pids[i], &min, &maj) < 0)
			continue;
		cpu_us += us;
		private_bytes += memory.private_bytes;
		shared_bytes += memory.shared_bytes;
		minor += min;
		major += maj;
		asked++;
	}
	if (!asked)
		return;
	if (asked == num)
		row->value[BURST_CPU_ENGINES_US] = cpu_us;
	row->value[BURST_PRIVATE_BYTES] = (int64_t)(private_bytes / asked);
	row->value[BURST_SHARED_BYTES] = (int64_t)(shared_bytes / asked);
	row->value[BURST_FAULTS_MINOR] = (int64_t)(minor / asked);
	row->value[BURST_FAULTS_MAJOR] = (int64_t)(major / asked);
}

static void add_forks(struct burst_row *row, const json_t *forks,
		      int64_t *samples, pid_t *pids)
{
	unsigned int num = 0, heard = 0;
	int64_t cpu_us = 0;
	json_t *fork;
	size_t i;

	json_array_foreach(forks, i, fork) {
		json_t *cpu = json_object_get(fork, "cpu_acked_us");

		pids[num++] =
			(pid_t)json_integer_value(json_object_get(fork, "pid"));
		cpu_us += json_integer_value(cpu);
		heard += json_is_integer(cpu);
	}
	add_usage(row, pids, num);
	if (heard == row->num)
		row->value[BURST_CPU_ACKED_US] = cpu_us;
	spread_resumed(row, samples, moments(forks, "resumed", samples));
	num = moments(forks, "acked", samples);
	num = num == row->num ? num : 0;
	spread(samples, num, &row->value[BURST_ACKED_P50_US],
	       &row->value[BURST_ACKED_P90_US],
	       &row->value[BURST_ACKED_MAX_US]);
}

/* Have all come to what the command waited for? Else its times tell nothing. */
static bool is_whole(const struct burst_row *row)
{
	bool waited = waits(row->variant);

	return row->value[waited ? BURST_ACKED_MAX_US : BURST_RESUMED_MAX_US] !=
	       BURST_UNKNOWN;
}

/* Are they all there, and all as they were meant to be? */
static int check_forks(const json_t *forks, const struct burst_row *row,
		       struct vf_err *err)
{
	bool of_pool = row->variant == BURST_POOL_NONE ||
		       row->variant == BURST_POOL;
	unsigned int num = 0;
	json_t *fork;
	size_t i;

	json_array_foreach(forks, i, fork)
		/* one that failed is nobody's any more */
		num += json_is_true(json_object_get(fork, "from_pool")) ==
			       of_pool ||
		       !json_is_integer(json_object_get(fork, "pid"));
	if (json_array_size(forks) == row->num && num == row->num)
		return 0;
	return vf_err_set(err, EBADMSG,
			  "%u forks of %u are %s engines started ahead", num,
			  row->num, of_pool ? "of" : "not of");
}

static int take_forks(struct burst_row *row, const struct vf_state *state,
		      const struct burst_plan *plan, int64_t *samples,
		      pid_t *pids, struct vf_err *err)
{
	struct call forked, ended;
	struct vf_err why;
	int ret = fork_burst(&forked, row, plan, err);
	const json_t *forks = json_object_get(forked.said, "forks");

	if (!ret)
		ret = check_forks(forks, row, err);
	if (!ret)
		add_forks(row, forks, samples, pids);
	if (!ret && is_whole(row)) {
		row->value[BURST_WALL_US] = forked.wall_us;
		row->value[BURST_CPU_COMMAND_US] = forked.cpu_us;
	}
	json_decref(forked.said);
	if (end_burst(state, plan, &ended, &why) < 0 && !ret) {
		*err = why;
		ret = -err->num;
	}
	if (!ret && is_whole(row))
		row->value[BURST_END_US] = ended.wall_us;
	json_decref(ended.said);
	return ret;
}

static int take_floor(struct burst_row *row, const struct burst_plan *plan,
		      const struct floor_model *model, struct vf_err *err)
{
	struct floor_run run;
	int ret = floor_begin(&run, model, row->num, plan->cancel_fd, err);

	if (!ret) {
		add_usage(row, run.pids, run.num);
		spread_resumed(row, run.resumed_us, run.num);
		row->value[BURST_WALL_US] = row->value[BURST_RESUMED_MAX_US];
		row->value[BURST_CPU_COMMAND_US] = run.cpu_us;
	}
	floor_end(&run);
	return ret;
}

/* An engine that was started ahead makes a fork that shall be cold a warm one. */
int burst_check(const struct vf_state *state, const struct burst_plan *plan,
		struct vf_err *err)
{
	struct call listed = { 0 };
	struct snapshot snapshot;
	json_t *entry;
	size_t i;
	int ret = snapshot_open(&snapshot, state, plan->snapshot, err);

	snapshot_close(&snapshot);
	if (!ret)
		ret = CALL(&listed, plan, err, "pool", "ls");
	json_array_foreach(listed.said, i, entry) {
		const char *of =
			json_string_value(json_object_get(entry, "snapshot"));

		if (ret || !of || strcmp(of, plan->snapshot) != 0)
			continue;
		ret = vf_err_set(err, EBUSY, "snapshot %s has a pool", of);
		vf_err_hint(err, "'vmfork pool drain %s' first", of);
	}
	json_decref(listed.said);
	return ret;
}

/* Engines that wait, as many as are to be taken. */
static int take_pool(struct burst_row *row, const struct vf_state *state,
		     const struct burst_plan *plan, int64_t *samples,
		     pid_t *pids, struct vf_err *err)
{
	const char *const drain[] = { "pool", "drain", plan->snapshot };
	struct call filled, drained;
	struct vf_err why;
	char num[16];
	int ret;

	snprintf(num, sizeof(num), "%u", row->num);
	ret = CALL(&filled, plan, err, "pool", "fill", plan->snapshot, "-n",
		   num);
	json_decref(filled.said);
	if (!ret)
		ret = take_forks(row, state, plan, samples, pids, err);
	if (call(&drained, plan, -1, drain, ARRAY_SIZE(drain), &why) < 0 &&
	    !ret) {
		*err = why;
		ret = -err->num;
	}
	json_decref(drained.said);
	return ret;
}

int burst_take(struct burst_row *row, const struct vf_state *state,
	       const struct burst_plan *plan, const struct floor_model *model,
	       struct vf_err *err)
{
	__free int64_t *samples = calloc(row->num, sizeof(*samples));
	__free pid_t *pids = calloc(row->num, sizeof(*pids));

	for (unsigned int i = 0; i < BURST_METRIC_NUM; i++)
		row->value[i] = BURST_UNKNOWN;
	if (!samples || !pids)
		return vf_err_errno(err, ENOMEM, "burst");
	switch (row->variant) {
	case BURST_FLOOR:
		return take_floor(row, plan, model, err);
	case BURST_POOL_NONE:
	case BURST_POOL:
		return take_pool(row, state, plan, samples, pids, err);
	case BURST_NONE:
	case BURST_FORK:
	case BURST_AT_ONCE:
	case BURST_VARIANT_NUM:
		break;
	}
	return take_forks(row, state, plan, samples, pids, err);
}

int burst_model(struct floor_model *model, const struct vf_state *state,
		const struct burst_plan *plan, struct vf_err *err)
{
	const struct burst_row one = { .num = 1, .variant = BURST_NONE };
	struct call forked, ended;
	struct snapshot snapshot;
	struct vf_err why;
	json_t *fork;
	int ret = snapshot_open(&snapshot, state, plan->snapshot, err);

	*model = (struct floor_model){ .log_fd = -1 };
	if (ret < 0) {
		snapshot_close(&snapshot);
		return ret;
	}
	ret = fork_burst(&forked, &one, plan, err);
	fork = json_array_get(json_object_get(forked.said, "forks"), 0);
	if (!ret)
		ret = floor_model_init(
			model, &snapshot,
			(pid_t)json_integer_value(json_object_get(fork, "pid")),
			err);
	json_decref(forked.said);
	if (end_burst(state, plan, &ended, &why) < 0 && !ret) {
		*err = why;
		ret = -err->num;
	}
	json_decref(ended.said);
	snapshot_close(&snapshot);
	return ret;
}
