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

static json_t *format(const struct vmfork_status *status)
{
	struct status_text text = { .buf = json, .size = sizeof(json) };

	status_format(&text, status, 0x1234000, &net);
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
	struct vmfork_status status = { .generation = 12 };
	uint64_t generation;
	json_t *doc, *link;

	(void)state;
	net.num_links = 1;
	strcpy(net.links[0].name, "e\"\\\1\xff");
	status_begin(&status, VMFORK_SIGNAL_VMCLOCK, 1000);
	status.error = EINVAL;
	status.step = VMFORK_STEP_ROUTE;
	doc = format(&status);
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
	struct vmfork_status status = { 0 };
	json_t *doc = format(&status);

	(void)state;
	assert_non_null(doc);
	assert_true(json_is_null(json_object_get(doc, "error")));
	assert_true(json_is_null(json_object_get(doc, "step")));
	json_decref(doc);
}

static void test_json_too_small(void **state)
{
	struct vmfork_status status = { 0 };
	char small[64];

	(void)state;
	for (size_t size = 1; size < sizeof(small); size++) {
		struct status_text text = { .buf = small, .size = size };

		status_format(&text, &status, 0, &net);
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
		cmocka_unit_test(test_json_too_small),
		cmocka_unit_test(test_generation),
		cmocka_unit_test(test_statedir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
