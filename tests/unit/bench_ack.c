// SPDX-License-Identifier: MIT
/* What handoffs came to: which variants, medians, targets, rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/ack_kind.h"
#include "unit/scratch.h"

static const struct ack_kind one = { .name = "one" };
static const struct ack_kind two = { .name = "two" };
static const struct ack_kind least = { "least", .role = ACK_ROLE_LEAST };
static const struct ack_kind ip = { "ip", .role = ACK_ROLE_IP,
				    .signal = VMFORK_SIGNAL_VMGENID };
static const struct ack_kind vmgenid = { "vmgenid",
					 .signal = VMFORK_SIGNAL_VMGENID };

static const struct ack_prefetch off = { { PREFETCH_OFF, 0 }, "off" };
static const struct ack_prefetch list = { { PREFETCH_LIST, 0 }, "list" };

struct fixture {
	struct ack_table table;
	struct targets targets;
	struct ack_plan plan;
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	ack_table_exit(&fix->table);
	free(fix);
	return 0;
}

static unsigned int add_variant(struct fixture *fix, const char *name,
				const struct ack_kind *kind)
{
	struct ack_variant *v = &fix->table.variants[fix->table.num_variants];

	snprintf(v->name, sizeof(v->name), "%s", name);
	v->kind = kind;
	v->prefetch = &off;
	return fix->table.num_variants++;
}

/* A fork of which one metric is known. */
static void add(struct fixture *fix, unsigned int variant,
		unsigned int iteration, enum ack_metric metric, int64_t value)
{
	struct ack_row row = {
		.variant = variant,
		.iteration = iteration,
		.signal = VMFORK_SIGNAL_VMGENID,
	};

	for (unsigned int m = 0; m < ACK_METRIC_NUM; m++)
		row.value[m] = ACK_UNKNOWN;
	row.value[metric] = value;
	assert_int_equal(ack_table_add(&fix->table, &row), 0);
}

static const struct target *find(struct fixture *fix, const char *name)
{
	ack_judge(&fix->table, &fix->targets);
	for (unsigned int i = 0; i < fix->targets.num; i++)
		if (!strcmp(fix->targets.item[i].name, name))
			return &fix->targets.item[i];
	return NULL;
}

/* The first one does not count, nor what was not measured, nor another's. */
static void medians(void **state)
{
	struct fixture *fix = *state;
	const enum ack_metric m = ACK_RECONFIGURE_US;
	unsigned int v = add_variant(fix, "one", &one);
	int64_t room[8];

	assert_int_equal(ack_median(&fix->table, v, m), ACK_UNKNOWN);
	add(fix, v, 0, m, 999);
	assert_int_equal(ack_median(&fix->table, v, m), ACK_UNKNOWN);
	add(fix, v, 1, m, 30);
	add(fix, v, 2, m, 10);
	add(fix, v, 3, m, ACK_UNKNOWN);
	add(fix, v + 1, 1, m, 1);
	assert_int_equal(ack_median(&fix->table, v, m), 10);
	add(fix, v, 4, m, 20);
	assert_int_equal(ack_median(&fix->table, v, m), 20);
	assert_int_equal(ack_samples(&fix->table, v, m, room), 3);
	assert_int_equal(room[0], 10);
	assert_int_equal(room[2], 30);
}

/* Signals in all circumstances, what they are held against in the first. */
static void circumstances(void **state)
{
	struct fixture *fix = *state;
	unsigned int signals = 0, others = 0;

	fix->plan.arms = (struct bench_list){ 2, { 0, 1 } };
	fix->plan.num_prefetches = 2;
	fix->plan.prefetches[0] = off;
	fix->plan.prefetches[1] = list;
	for (unsigned int i = 0; i < ack_kinds_num; i++) {
		fix->plan.kinds[fix->plan.num_kinds++] = i;
		if (ack_kinds[i].role == ACK_ROLE_SIGNAL)
			signals++;
		else
			others++;
	}
	assert_int_equal(ack_variants(&fix->table, &fix->plan), 0);
	assert_int_equal(fix->table.num_variants, 4 * signals + others);
	assert_string_equal(fix->table.variants[1].name,
			    "mailbox, prefetch list");
	assert_string_equal(fix->table.variants[1].prefetch->name, "list");
	assert_false(fix->table.variants[1].armed);
	assert_string_equal(fix->table.variants[2].name,
			    "mailbox, armed, prefetch off");
	assert_true(fix->table.variants[2].armed);
	fix->plan.cold = true;
	assert_int_equal(ack_variants(&fix->table, &fix->plan), 0);
	assert_int_equal(fix->table.num_variants, 6 * signals + others);
	assert_string_equal(fix->table.variants[1].name,
			    "mailbox, prefetch off, cold");
	fix->plan.cold = false;
	fix->plan.arms.num = 1;
	fix->plan.num_prefetches = 1;
	fix->plan.snapshot = "ready";
	assert_int_equal(ack_variants(&fix->table, &fix->plan), 0);
	assert_int_equal(fix->table.num_variants, 1);
	assert_string_equal(fix->table.variants[0].name, "ready");
	assert_ptr_equal(fix->table.variants[0].kind, &ack_kind_given);
}

/* More than there is room for is refused, not cut off. */
static void too_many(void **state)
{
	struct fixture *fix = *state;

	fix->plan.arms.num = 1;
	fix->plan.num_prefetches = BENCH_LIST_MAX;
	for (unsigned int i = 0; i < ACK_VARIANTS_MAX; i++)
		fix->plan.kinds[fix->plan.num_kinds++] = 0;
	assert_true(ack_variants(&fix->table, &fix->plan) < 0);
	assert_int_equal(fix->table.num_variants, ACK_VARIANTS_MAX);
}

/* The best signal, warm, is held against the floor and the ip commands. */
static void best_is_judged(void **state)
{
	struct fixture *fix = *state;
	unsigned int slow = add_variant(fix, "slow", &one);
	unsigned int best = add_variant(fix, "best", &two);
	unsigned int cold = add_variant(fix, "cold", &two);
	unsigned int floor = add_variant(fix, "least", &least);
	unsigned int base = add_variant(fix, "ip", &ip);
	const struct target *t;

	fix->table.variants[cold].cold = true;
	add(fix, slow, 1, ACK_RECONFIGURE_US, 900);
	add(fix, best, 1, ACK_RECONFIGURE_US, 300);
	add(fix, cold, 1, ACK_RECONFIGURE_US, 200);
	t = find(fix, "2. acked: best over least");
	assert_non_null(t);
	assert_non_null(t->why);
	add(fix, floor, 1, ACK_RECONFIGURE_US, 150);
	t = find(fix, "2. acked: best over least");
	assert_non_null(t);
	assert_float_equal(t->value, 2, 1e-9);
	assert_float_equal(t->allowed, 1.5, 1e-9);
	assert_null(t->why);
	t = find(fix, "2. acked, minima: best over least");
	assert_non_null(t);
	assert_float_equal(t->value, 2, 1e-9);
	add(fix, base, 1, ACK_RECONFIGURE_US, 600);
	add(fix, base, 1, ACK_APPLY_US, 400);
	add(fix, best, 1, ACK_APPLY_US, 100);
	t = find(fix, "3. apply in forks, the best: best over ip");
	assert_non_null(t);
	assert_float_equal(t->value, 0.25, 1e-9);
	assert_float_equal(t->allowed, 1.0 / 3, 1e-9);
	t = find(fix, "3. acked, the best: best over ip");
	assert_non_null(t);
	assert_float_equal(t->allowed, 0, 1e-9);
}

/* Who is woken by the same signal, and not armed, is held against ip. */
static void same_signal_is_judged(void **state)
{
	struct fixture *fix = *state;
	unsigned int armed = add_variant(fix, "armed", &vmgenid);
	unsigned int plain = add_variant(fix, "plain", &vmgenid);
	unsigned int base = add_variant(fix, "ip", &ip);
	const struct target *t;

	fix->table.variants[armed].armed = true;
	add(fix, armed, 1, ACK_RECONFIGURE_US, 100);
	add(fix, armed, 1, ACK_APPLY_US, 10);
	add(fix, plain, 1, ACK_RECONFIGURE_US, 200);
	add(fix, plain, 1, ACK_APPLY_US, 20);
	add(fix, base, 1, ACK_RECONFIGURE_US, 400);
	add(fix, base, 1, ACK_APPLY_US, 40);
	t = find(fix, "3. apply in forks, same signal: plain over ip");
	assert_non_null(t);
	assert_float_equal(t->value, 0.5, 1e-9);
	t = find(fix, "3. apply in forks, the best: armed over ip");
	assert_non_null(t);
	assert_float_equal(t->value, 0.25, 1e-9);
}

/* What is quicker than the floor is no proof, and met by nobody. */
static void below_floor_is_void(void **state)
{
	struct fixture *fix = *state;
	unsigned int best = add_variant(fix, "best", &one);
	unsigned int floor = add_variant(fix, "least", &least);
	const struct target *t;
	json_t *json;

	add(fix, best, 1, ACK_RECONFIGURE_US, 100);
	add(fix, floor, 1, ACK_RECONFIGURE_US, 110);
	t = find(fix, "2. acked: best over least");
	assert_non_null(t);
	assert_non_null(t->why);
	json = targets_pack(&fix->targets);
	assert_true(
		json_is_false(json_object_get(json_array_get(json, 0), "met")));
	json_decref(json);
}

/* One whose forks failed is not the best, and nothing is met with it. */
static void failures_are_not_met(void **state)
{
	struct fixture *fix = *state;
	unsigned int frail = add_variant(fix, "frail", &one);
	unsigned int sound = add_variant(fix, "sound", &two);
	unsigned int floor = add_variant(fix, "least", &least);
	const struct target *t;

	add(fix, frail, 1, ACK_RECONFIGURE_US, 100);
	add(fix, frail, 2, ACK_RECONFIGURE_US, ACK_UNKNOWN);
	fix->table.rows[1].failed = true;
	add(fix, sound, 1, ACK_RECONFIGURE_US, 120);
	add(fix, floor, 1, ACK_RECONFIGURE_US, 100);
	assert_int_equal(ack_failures(&fix->table, frail), 1);
	assert_int_equal(ack_failures(&fix->table, sound), 0);
	t = find(fix, "2. acked: sound over least");
	assert_non_null(t);
	assert_null(t->why);
	add(fix, sound, 2, ACK_RECONFIGURE_US, ACK_UNKNOWN);
	fix->table.rows[4].failed = true;
	t = find(fix, "2. acked: none over least");
	assert_non_null(t);
	assert_non_null(t->why);
}

/* One too many is not lost in silence. */
static void too_many_targets(void **state)
{
	struct fixture *fix = *state;
	json_t *json;

	for (unsigned int i = 0; i <= TARGETS_MAX; i++)
		target_add(&fix->targets, 1, "", 2, "%u", i);
	assert_int_equal(fix->targets.num, TARGETS_MAX);
	json = targets_pack(&fix->targets);
	assert_int_equal(json_array_size(json), TARGETS_MAX + 1);
	assert_true(json_is_false(
		json_object_get(json_array_get(json, TARGETS_MAX), "met")));
	json_decref(json);
}

/* Of what a cold image costs the list leaves a part. */
static void list_is_judged(void **state)
{
	static const char name[] =
		"4. of what cold costs, left with the list: one";
	struct fixture *fix = *state;
	unsigned int warm = add_variant(fix, "warm", &one);
	unsigned int cold = add_variant(fix, "cold", &one);
	unsigned int read = add_variant(fix, "read", &one);
	const struct target *t;

	fix->table.variants[cold].cold = true;
	fix->table.variants[read].cold = true;
	fix->table.variants[read].prefetch = &list;
	add(fix, cold, 1, ACK_RECONFIGURE_US, 200);
	add(fix, read, 1, ACK_RECONFIGURE_US, 120);
	t = find(fix, name);
	assert_non_null(t);
	assert_non_null(t->why);
	add(fix, warm, 1, ACK_RECONFIGURE_US, 100);
	t = find(fix, name);
	assert_non_null(t);
	assert_float_equal(t->value, 0.2, 1e-9);
	assert_float_equal(t->allowed, 1.0 / 3, 1e-9);
	/* a cold image that costs nothing leaves nothing to be judged */
	add(fix, warm, 1, ACK_RECONFIGURE_US, 500);
	add(fix, warm, 1, ACK_RECONFIGURE_US, 500);
	t = find(fix, name);
	assert_non_null(t);
	assert_non_null(t->why);
}

/* Armed is held against unarmed where nothing else differs. */
static void armed_is_judged(void **state)
{
	struct fixture *fix = *state;
	unsigned int plain = add_variant(fix, "plain", &one);
	unsigned int armed = add_variant(fix, "armed", &one);
	unsigned int other = add_variant(fix, "other", &two);
	const struct target *t;

	fix->table.variants[armed].armed = true;
	fix->table.variants[armed].spun_us = 5500;
	fix->table.variants[armed].source = 1;
	add(fix, plain, 1, ACK_RECONFIGURE_US, 100);
	add(fix, armed, 1, ACK_RECONFIGURE_US, 80);
	add(fix, other, 1, ACK_RECONFIGURE_US, 90);
	t = find(fix, "5. acked: armed over plain");
	assert_non_null(t);
	assert_float_equal(t->value, 0.8, 1e-9);
	assert_null(find(fix, "5. acked: armed over other"));
	t = find(fix, "between question and pause: armed");
	assert_non_null(t);
	assert_float_equal(t->value, 5.5, 1e-9);
	assert_float_equal(t->allowed, 0, 1e-9);
}

/* What is printed says the same, and names only what was measured. */
static void report(void **state)
{
	struct fixture *fix = *state;
	unsigned int v = add_variant(fix, "one, alone", &one);
	unsigned int gone = add_variant(fix, "two", &two);
	json_t *json, *packed, *missing;

	strcpy(fix->table.variants[gone].why, "no such device");
	add(fix, v, 0, ACK_RECONFIGURE_US, 700);
	add(fix, v, 1, ACK_RECONFIGURE_US, 12000);
	add(fix, v, 2, ACK_RECONFIGURE_US, ACK_UNKNOWN);
	fix->table.rows[2].failed = true;
	json = ack_report(&fix->table);
	assert_int_equal(json_array_size(json_object_get(json, "variants")), 1);
	packed = json_array_get(json_object_get(json, "variants"), 0);
	assert_int_equal(json_integer_value(json_object_get(packed, "n")), 2);
	assert_int_equal(json_integer_value(json_object_get(packed, "failed")),
			 1);
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(packed, "told"), "vmgenid")),
			 1);
	assert_int_equal(
		json_integer_value(json_object_get(
			json_object_get(packed, "first"), "reconfigure_us")),
		700);
	assert_int_equal(
		json_integer_value(json_object_get(
			json_object_get(packed, "reconfigure_us"), "max")),
		12000);
	assert_null(json_object_get(packed, "total_us"));
	missing = json_array_get(json_object_get(json, "missing"), 0);
	assert_string_equal(json_string_value(json_object_get(missing, "why")),
			    "no such device");
	json_decref(json);
}

static void rows(void **state)
{
	static const char head[] = "variant,iteration,signal,total_us,";
	struct fixture *fix = *state;
	unsigned int v = add_variant(fix, "one, alone", &one);
	char path[96], *text, *line;
	struct scratch dir;
	struct vf_err err;

	assert_int_equal(scratch_init(&dir), 0);
	snprintf(path, sizeof(path), "%s/rows", dir.path);
	add(fix, v, 0, ACK_TOTAL_US, 77);
	add(fix, v, 1, ACK_TOTAL_US, ACK_UNKNOWN);
	fix->table.rows[1].failed = true;
	assert_int_equal(ack_csv(&fix->table, path, &err), 0);
	assert_int_equal(vf_read_file(AT_FDCWD, path, 4096, &text, NULL, &err),
			 0);
	assert_memory_equal(text, head, strlen(head));
	line = strchr(text, '\n') + 1;
	assert_memory_equal(line, "\"one, alone\",0,vmgenid,77,,", 27);
	assert_non_null(strstr(line, "\n\"one, alone\",1,failed,,"));
	free(text);
	assert_true(ack_csv(&fix->table, dir.path, &err) < 0);
	assert_int_equal(scratch_exit(&dir), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(medians),
		TEST(circumstances),
		TEST(too_many),
		TEST(best_is_judged),
		TEST(list_is_judged),
		TEST(armed_is_judged),
		TEST(same_signal_is_judged),
		TEST(below_floor_is_void),
		TEST(failures_are_not_met),
		TEST(too_many_targets),
		TEST(report),
		TEST(rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
