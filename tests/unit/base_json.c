// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/json.h"
#include "unit/scratch.h"

struct fixture {
	struct scratch dir;
	struct vf_err err;
};

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));

	if (!fix)
		return -1;
	*state = fix;
	return scratch_init(&fix->dir);
}

static int teardown(void **state)
{
	struct fixture *fix = *state;
	int ret = scratch_exit(&fix->dir);

	free(fix);
	return ret;
}

static int load(struct fixture *fix, const char *text, size_t len, json_t **out)
{
	assert_int_equal(vf_write_file(fix->dir.dir_fd, "f", text, len, false,
				       &fix->err),
			 0);
	return vf_json_load(fix->dir.dir_fd, "f", out, &fix->err);
}

static void save_then_load(void **state)
{
	struct fixture *fix = *state;
	__json json_t *from = json_pack("{s:s,s:i,s:[b]}", "name", "web-1",
					"pid", 4711, "list", 1);
	__json json_t *to = NULL;

	assert_int_equal(
		vf_json_save(fix->dir.dir_fd, "f", from, true, &fix->err), 0);
	assert_int_equal(vf_json_load(fix->dir.dir_fd, "f", &to, &fix->err), 0);
	assert_true(json_equal(from, to));
	assert_int_equal(vf_json_load(fix->dir.dir_fd, "g", &to, &fix->err),
			 -ENOENT);
}

static void not_an_object(void **state)
{
	static const char *const texts[] = { "",	   "[]",     "1",
					     "{",	   "{} x",   "nul",
					     "{\"a\":1,}", "{'a':1}" };
	struct fixture *fix = *state;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		json_t *out = NULL;

		assert_int_equal(load(fix, texts[i], strlen(texts[i]), &out),
				 -EBADMSG);
		assert_null(out);
		assert_memory_equal(fix->err.msg, "f: ", 3);
	}
}

static void same_key_twice(void **state)
{
	const char *text = "{\"a\":1,\"a\":2}";
	json_t *out = NULL;

	assert_int_equal(load(*state, text, strlen(text), &out), -EBADMSG);
}

static void too_large(void **state)
{
	struct fixture *fix = *state;
	size_t size = (4 << 20) + 1;
	__free char *text = malloc(size);
	json_t *out = NULL;

	assert_non_null(text);
	memset(text, ' ', size);
	assert_int_equal(load(fix, text, size, &out), -EFBIG);
	memcpy(text, "{}", 2);
	assert_int_equal(load(fix, text, size - 1, &out), 0);
	json_decref(out);
}

static void too_deep(void **state)
{
	size_t size = 512 * 1024;
	__free char *text = malloc(size);
	json_t *out = NULL;

	assert_non_null(text);
	memset(text, '[', size);
	memcpy(text, "{\"a\":", 5);
	assert_int_equal(load(*state, text, size, &out), -EBADMSG);
}

static void unpack_names_what_is_missing(void **state)
{
	__json json_t *json = json_pack("{s:i}", "pid", 1);
	struct vf_err err = { 0 };
	int pid = 0, port = 0;

	(void)state;
	assert_int_equal(
		vf_json_unpack(json, "record", &err, "{s:i}", "pid", &pid), 0);
	assert_int_equal(pid, 1);
	assert_int_equal(
		vf_json_unpack(json, "record", &err, "{s:i}", "port", &port),
		-EBADMSG);
	assert_memory_equal(err.msg, "record: ", 8);
	assert_non_null(strstr(err.msg, "port"));
}

static void strings_are_found(void **state)
{
	__json json_t *strings = json_pack("[s,s,s]", "b", "a", "b");

	(void)state;
	assert_int_equal(vf_json_find(strings, "b"), 0);
	assert_int_equal(vf_json_find(strings, "a"), 1);
	assert_int_equal(vf_json_find(strings, "ab"), 3);
	assert_true(vf_json_has(strings, "a"));
	assert_false(vf_json_has(strings, ""));
}

#define json_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		json_test(save_then_load),
		json_test(not_an_object),
		json_test(same_key_twice),
		json_test(too_large),
		json_test(too_deep),
		cmocka_unit_test(unpack_names_what_is_missing),
		cmocka_unit_test(strings_are_found),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
