// SPDX-License-Identifier: MIT
/* What bursts came to: medians, what the processors allow, targets, rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/burst.h"
#include "unit/scratch.h"

#define CORES 2

struct fixture {
	struct burst_table table;
	struct targets targets;
};

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));

	*state = fix;
	if (fix)
		fix->table.cores = CORES;
	return fix ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	burst_table_exit(&fix->table);
	free(fix);
	return 0;
}

/* A burst of which one metric is known, or two. */
static void add(struct fixture *fix, unsigned int num,
		enum burst_variant variant, unsigned int iteration,
		enum burst_metric metric, int64_t value,
		enum burst_metric other, int64_t other_value)
{
	struct burst_row row = {
		.num = num,
		.variant = variant,
		.iteration = iteration,
	};

	for (unsigned int m = 0; m < BURST_METRIC_NUM; m++)
		row.value[m] = BURST_UNKNOWN;
	row.value[metric] = value;
	row.value[other] = other_value;
	assert_int_equal(burst_table_add(&fix->table, &row), 0);
}

static void add_one(struct fixture *fix, unsigned int num,
		    enum burst_variant variant, unsigned int iteration,
		    enum burst_metric metric, int64_t value)
{
	add(fix, num, variant, iteration, metric, value, metric, value);
}

static void judge(struct fixture *fix)
{
	burst_judge(&fix->table, &fix->targets);
}

static const struct target *find(const struct fixture *fix, const char *name)
{
	for (unsigned int i = 0; i < fix->targets.num; i++)
		if (!strcmp(fix->targets.item[i].name, name))
			return &fix->targets.item[i];
	return NULL;
}

/* The first iteration does not count, nor what was not measured. */
static void medians(void **state)
{
	struct fixture *fix = *state;
	const enum burst_metric m = BURST_ACKED_MAX_US;

	assert_int_equal(burst_median(&fix->table, 4, BURST_FORK, m),
			 BURST_UNKNOWN);
	add_one(fix, 4, BURST_FORK, 0, m, 999);
	assert_int_equal(burst_median(&fix->table, 4, BURST_FORK, m),
			 BURST_UNKNOWN);
	add_one(fix, 4, BURST_FORK, 1, m, 30);
	add_one(fix, 4, BURST_FORK, 2, m, 10);
	add_one(fix, 4, BURST_FORK, 3, m, BURST_UNKNOWN);
	add_one(fix, 4, BURST_AT_ONCE, 1, m, 1);
	add_one(fix, 8, BURST_FORK, 1, m, 2);
	assert_int_equal(burst_median(&fix->table, 4, BURST_FORK, m), 10);
	add_one(fix, 4, BURST_FORK, 4, m, 20);
	assert_int_equal(burst_median(&fix->table, 4, BURST_FORK, m), 20);
}

/* N times what one engine needs, over the processors. */
static void ideal(void **state)
{
	struct fixture *fix = *state;

	assert_int_equal(burst_ideal_us(&fix->table, 25), BURST_UNKNOWN);
	add_one(fix, 1, BURST_FORK, 0, BURST_CPU_ACKED_US, 999999);
	add_one(fix, 1, BURST_FORK, 1, BURST_CPU_ACKED_US, 160000);
	/* a burst says nothing about one alone */
	add_one(fix, 25, BURST_FORK, 1, BURST_CPU_ACKED_US, 9000000);
	assert_int_equal(burst_ideal_us(&fix->table, 25), 2000000);
	assert_int_equal(burst_ideal_us(&fix->table, 1), 80000);
	fix->table.cores = 8;
	assert_int_equal(burst_ideal_us(&fix->table, 25), 500000);
}

static void waves_are_judged(void **state)
{
	const char *median = "25: median acked, over what the processors allow";
	const char *last = "25: last acked, over what the processors allow";
	const char *at_once = "25: median acked, over all resumed at once";
	struct fixture *fix = *state;

	add_one(fix, 1, BURST_FORK, 1, BURST_CPU_ACKED_US, 160000);
	add(fix, 25, BURST_FORK, 1, BURST_ACKED_MAX_US, 3000000,
	    BURST_ACKED_P50_US, 1200000);
	judge(fix);
	assert_non_null(find(fix, last));
	assert_float_equal(find(fix, last)->value, 1.5, 1e-9);
	assert_float_equal(find(fix, last)->allowed, 1.3, 1e-9);
	assert_float_equal(find(fix, median)->value, 0.6, 1e-9);
	assert_float_equal(find(fix, median)->allowed, 0.7, 1e-9);
	/* what was not measured is not judged */
	assert_null(find(fix, at_once));
	add_one(fix, 25, BURST_AT_ONCE, 1, BURST_ACKED_P50_US, 4800000);
	judge(fix);
	assert_float_equal(find(fix, at_once)->value, 0.25, 1e-9);
	assert_float_equal(find(fix, at_once)->allowed, 0.5, 1e-9);
}

/* Of small bursts that is stated, but nobody asks for it. */
static void small_waves_are_stated(void **state)
{
	const char *last = "4: last acked, over what the processors allow";
	struct fixture *fix = *state;

	add_one(fix, 1, BURST_FORK, 1, BURST_CPU_ACKED_US, 160000);
	add_one(fix, 4, BURST_FORK, 1, BURST_ACKED_MAX_US, 3200000);
	judge(fix);
	assert_float_equal(find(fix, last)->value, 10, 1e-9);
	assert_float_equal(find(fix, last)->allowed, 0, 0);
}

static void floor_is_held_against(void **state)
{
	const char *name = "%u: last resumed, cold, over the floor";
	static const struct {
		unsigned int num;
		double allowed;
	} cases[] = { { 1, 1.2 }, { 25, 1.2 }, { 100, 0 } };
	struct fixture *fix = *state;
	char text[64];

	for (size_t i = 0; i < 3; i++) {
		add_one(fix, cases[i].num, BURST_FLOOR, 1, BURST_RESUMED_MAX_US,
			100000);
		add_one(fix, cases[i].num, BURST_NONE, 1, BURST_RESUMED_MAX_US,
			110000);
	}
	judge(fix);
	assert_int_equal(fix->targets.num, 3);
	for (size_t i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), name, cases[i].num);
		assert_non_null(find(fix, text));
		assert_float_equal(find(fix, text)->value, 1.1, 1e-9);
		assert_float_equal(find(fix, text)->allowed, cases[i].allowed,
				   1e-9);
	}
}

static void limits_are_judged(void **state)
{
	struct fixture *fix = *state;

	add_one(fix, 1, BURST_POOL_NONE, 1, BURST_RESUMED_MAX_US, 8500);
	add_one(fix, 25, BURST_POOL_NONE, 1, BURST_RESUMED_MAX_US, 200000);
	add_one(fix, 100, BURST_POOL_NONE, 1, BURST_RESUMED_MAX_US, 800000);
	add_one(fix, 100, BURST_FORK, 1, BURST_END_US, 1500000);
	add_one(fix, 10, BURST_POOL_NONE, 1, BURST_RESUMED_MAX_US, 1);
	judge(fix);
	assert_int_equal(fix->targets.num, 4);
	assert_float_equal(fix->targets.item[0].value, 8.5, 1e-9);
	assert_float_equal(fix->targets.item[0].allowed, 10, 1e-9);
	assert_float_equal(fix->targets.item[1].allowed, 150, 1e-9);
	assert_float_equal(fix->targets.item[2].allowed, 800, 1e-9);
	assert_string_equal(fix->targets.item[3].name,
			    "100: all of them ended");
	assert_float_equal(fix->targets.item[3].value, 1500, 1e-9);
	assert_float_equal(fix->targets.item[3].allowed, 2000, 1e-9);
}

/* What is printed says the same, and names only what was measured. */
static void report(void **state)
{
	struct fixture *fix = *state;
	json_t *json, *v, *t;

	add_one(fix, 1, BURST_POOL_NONE, 0, BURST_WALL_US, 1);
	add(fix, 1, BURST_POOL_NONE, 1, BURST_RESUMED_MAX_US, 12000,
	    BURST_FAULTS_MAJOR, 0);
	json = burst_report(&fix->table);
	assert_int_equal(json_array_size(json_object_get(json, "variants")), 1);
	v = json_array_get(json_object_get(json, "variants"), 0);
	assert_string_equal(json_string_value(json_object_get(v, "variant")),
			    "pool-none");
	assert_null(json_object_get(v, "wall_us"));
	assert_true(json_is_null(json_object_get(v, "ideal_us")));
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(v, "resumed_max_us"), "p50")),
			 12000);
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(v, "faults_major"), "n")),
			 1);
	t = json_array_get(json_object_get(json, "targets"), 0);
	assert_true(json_is_false(json_object_get(t, "met")));
	json_decref(json);
}

static void rows(void **state)
{
	static const char head[] =
		"n,variant,iteration,wall_us,resumed_p50_us,";
	struct fixture *fix = *state;
	char path[96], *text, *line;
	struct scratch dir;
	struct vf_err err;

	assert_int_equal(scratch_init(&dir), 0);
	snprintf(path, sizeof(path), "%s/rows", dir.path);
	add_one(fix, 4, BURST_FORK, 0, BURST_WALL_US, 77);
	add_one(fix, 4, BURST_AT_ONCE, 1, BURST_END_US, 88);
	assert_int_equal(burst_csv(&fix->table, path, &err), 0);
	assert_int_equal(vf_read_file(AT_FDCWD, path, 4096, &text, NULL, &err),
			 0);
	assert_memory_equal(text, head, strlen(head));
	line = strchr(text, '\n') + 1;
	assert_string_equal(line, "4,fork,0,77,,,,,,,,,,,,,,\n"
				  "4,at-once,1,,,,,,,,,,,,,,,88\n");
	free(text);
	assert_true(burst_csv(&fix->table, dir.path, &err) < 0);
	assert_int_equal(scratch_exit(&dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(medians, setup, teardown),
		cmocka_unit_test_setup_teardown(ideal, setup, teardown),
		cmocka_unit_test_setup_teardown(waves_are_judged, setup,
						teardown),
		cmocka_unit_test_setup_teardown(small_waves_are_stated, setup,
						teardown),
		cmocka_unit_test_setup_teardown(floor_is_held_against, setup,
						teardown),
		cmocka_unit_test_setup_teardown(limits_are_judged, setup,
						teardown),
		cmocka_unit_test_setup_teardown(report, setup, teardown),
		cmocka_unit_test_setup_teardown(rows, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
