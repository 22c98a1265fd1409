// SPDX-License-Identifier: MIT
/* The status as JSON, and the record and lock below /run. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "statedir.h"
#include "status.h"

static struct netstate net;
static char json[STATUS_SIZE];

static json_t *format(const struct statedir_record *record)
{
	struct status_text text = { .buf = json, .size = sizeof(json) };

	status_format(&text, record, 0x1234000, &net);
	assert_false(text.overflow);
	assert_int_equal(text.len, strlen(json));
	return json_loads(json, JSON_REJECT_DUPLICATES, NULL);
}

static const char *string_at(const json_t *doc, const char *key)
{
	return json_string_value(json_object_get(doc, key));
}

static void test_json(void **state)
{
	struct statedir_record record = { .status.generation = 12 };
	struct vmfork_status *status = &record.status;
	uint64_t generation;
	json_t *doc, *link;

	(void)state;
	net.num_links = 1;
	strcpy(net.links[0].name, "e\"\\\1\xff");
	status_begin(status, VMFORK_SIGNAL_VMCLOCK, 1000);
	status->error = EINVAL;
	status->step = VMFORK_STEP_ROUTE;
	doc = format(&record);
	assert_non_null(doc);
	assert_string_equal(string_at(doc, "signal"), "vmclock");
	assert_string_equal(string_at(doc, "stage"), "signal");
	assert_string_equal(string_at(doc, "step"), "route");
	assert_string_equal(string_at(doc, "error"), strerror(EINVAL));
	link = json_array_get(json_object_get(doc, "interfaces"), 0);
	assert_string_equal(string_at(link, "name"), "e\"\\\1\xc3\xbf");
	assert_true(client_parse_generation(json, &generation));
	assert_int_equal(generation, 12);
	json_decref(doc);
}

static void test_json_none(void **state)
{
	struct statedir_record record = { 0 };
	json_t *doc = format(&record);

	(void)state;
	assert_non_null(doc);
	assert_true(json_is_null(json_object_get(doc, "error")));
	assert_true(json_is_null(json_object_get(doc, "step")));
	assert_true(json_is_null(json_object_get(doc, "name")));
	assert_true(json_is_null(json_object_get(doc, "skew_before_us")));
	assert_true(json_is_null(json_object_get(doc, "reseed_window_us")));
	assert_true(json_is_false(json_object_get(doc, "settled")));
	assert_string_equal(string_at(doc, "reseed"), "none");
	json_decref(doc);
}

static int64_t number_at(const json_t *doc, const char *key)
{
	assert_true(json_is_integer(json_object_get(doc, key)));
	return json_integer_value(json_object_get(doc, key));
}

static void test_json_settled(void **state)
{
	struct statedir_record record = { .name = "web-1", .parent = "re\"dy" };
	struct vmfork_status *status = &record.status;
	json_t *doc, *tasks;

	(void)state;
	status_begin(status, VMFORK_SIGNAL_MAILBOX, 1000);
	status_reach(status, VMFORK_STAGE_SETTLED, 9000000);
	status->tasks_done = 1U << VMFORK_TASK_CLOCK;
	status->tasks_failed = 1U << VMFORK_TASK_HOSTS;
	status->task_error[VMFORK_TASK_HOSTS] = EROFS;
	status->clock_source = VMFORK_CLOCK_MAIL;
	status->skew_before_ns = (uint64_t)-2500000;
	status->skew_after_ns = 1999;
	status->reseed = VMFORK_RESEED_DONE;
	status->reseed_ns = 5000000;
	record.snapshot_ns = 2000000;
	doc = format(&record);
	assert_non_null(doc);
	assert_string_equal(string_at(doc, "name"), "web-1");
	assert_string_equal(string_at(doc, "parent"), "re\"dy");
	assert_non_null(string_at(doc, "hostname"));
	assert_string_equal(string_at(doc, "clock"), "mail");
	assert_string_equal(string_at(doc, "reseed"), "done");
	assert_int_equal(number_at(doc, "skew_before_us"), -2500);
	assert_int_equal(number_at(doc, "skew_after_us"), 1);
	assert_int_equal(number_at(doc, "reseed_window_us"), 3000);
	assert_true(json_is_true(json_object_get(doc, "settled")));
	tasks = json_object_get(doc, "tasks");
	assert_int_equal(json_object_size(tasks), VMFORK_TASK_NUM);
	assert_string_equal(string_at(tasks, "clock"), "done");
	assert_string_equal(string_at(tasks, "hosts"), "failed");
	assert_string_equal(string_at(tasks, "tcp"), "none");
	json_decref(doc);
}

static void test_json_too_small(void **state)
{
	struct statedir_record record = { 0 };
	char small[64];

	(void)state;
	for (size_t size = 1; size < sizeof(small); size++) {
		struct status_text text = { .buf = small, .size = size };

		status_format(&text, &record, 0, &net);
		assert_true(text.overflow);
		assert_true(text.len < size);
	}
}

static void test_generation(void **state)
{
	uint64_t generation;

	(void)state;
	assert_false(client_parse_generation("{}", &generation));
	assert_false(client_parse_generation("{\"generation\":}", &generation));
	assert_true(client_parse_generation(
		"{\"generation\":18446744073709551615}", &generation));
	assert_true(generation == UINT64_MAX);
}

static void record_break(const struct statedir *dir, size_t len)
{
	struct statedir_record record;
	int fd = openat(dir->dir_fd, "state", O_RDWR | O_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	close(fd);
	assert_int_equal(statedir_load(dir, &record), -EBADMSG);
}

static void test_statedir(void **state)
{
	struct statedir_record record = { .status.generation = 4 }, again;
	char path[] = "/tmp/agent-state-XXXXXX";
	struct statedir dir, other;

	(void)state;
	assert_non_null(mkdtemp(path));
	assert_false(statedir_is_locked(path));
	assert_int_equal(statedir_open(&dir, path), 0);
	assert_true(statedir_is_locked(path));
	assert_int_equal(statedir_open(&other, path), -EBUSY);
	assert_int_equal(statedir_load(&dir, &again), -ENOENT);
	assert_int_equal(statedir_save(&dir, &record), 0);
	assert_int_equal(statedir_load(&dir, &again), 0);
	assert_int_equal(again.status.generation, 4);
	record_break(&dir, sizeof(record) - 8);
	record_break(&dir, sizeof(record)); /* its end is zero now */
	assert_int_equal(unlinkat(dir.dir_fd, "state", 0), 0);
	assert_int_equal(unlinkat(dir.dir_fd, "lock", 0), 0);
	statedir_close(&dir);
	/* nothing temporary was left */
	assert_int_equal(rmdir(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_none),
		cmocka_unit_test(test_json_settled),
		cmocka_unit_test(test_json_too_small),
		cmocka_unit_test(test_generation),
		cmocka_unit_test(test_statedir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
