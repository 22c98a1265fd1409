// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static void set_and_wrap(void **state)
{
	struct vf_err err = { 0 };

	(void)state;
	assert_int_equal(vf_err_set(&err, EINVAL, "name %s: too long", "x"),
			 -EINVAL);
	assert_int_equal(err.num, EINVAL);
	assert_string_equal(err.msg, "name x: too long");
	assert_string_equal(err.hint, "");
	assert_int_equal(vf_err_wrap(&err, "fork %d", 3), -EINVAL);
	assert_string_equal(err.msg, "fork 3: name x: too long");
	assert_int_equal(err.num, EINVAL);
	/* the sign does not matter */
	assert_int_equal(vf_err_set(&err, -EIO, "disk"), -EIO);
	assert_int_equal(err.num, EIO);
}

static void errno_text(void **state)
{
	struct vf_err err = { 0 };

	(void)state;
	assert_int_equal(vf_err_errno(&err, ENOENT, "file %s", "a"), -ENOENT);
	assert_string_equal(err.msg, "file a: No such file or directory");
	assert_int_equal(vf_err_errno(&err, -ENOENT, "b"), -ENOENT);
	assert_string_equal(err.msg, "b: No such file or directory");
}

static void first_hint_stays(void **state)
{
	struct vf_err err = { 0 };

	(void)state;
	vf_err_set(&err, EPERM, "tun");
	vf_err_hint(&err, "load module %s", "tun");
	vf_err_hint(&err, "give up");
	assert_string_equal(err.hint, "load module tun");
	vf_err_wrap(&err, "port");
	assert_string_equal(err.hint, "load module tun");
	/* a new error does not have the old one's */
	vf_err_set(&err, EPERM, "tun");
	assert_string_equal(err.hint, "");
}

static void truncation(void **state)
{
	struct vf_err err = { 0 };
	char text[2 * VF_ERR_MSG_SIZE];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(vf_err_set(&err, EIO, "%s", text), -EIO);
	assert_int_equal(strlen(err.msg), VF_ERR_MSG_SIZE - 1);
	assert_int_equal(vf_err_errno(&err, EIO, "%s", text), -EIO);
	assert_int_equal(strlen(err.msg), VF_ERR_MSG_SIZE - 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(vf_err_wrap(&err, "%s", text), -EIO);
	assert_true(strlen(err.msg) < VF_ERR_MSG_SIZE);
	vf_err_hint(&err, "%s", text);
	assert_int_equal(strlen(err.hint), VF_ERR_HINT_SIZE - 1);
	/* what stands in front is what the outermost caller said */
	vf_err_wrap(&err, "fork");
	assert_memory_equal(err.msg, "fork: aaa", 9);
}

static void first(void **state)
{
	struct vf_err err = { 0 }, why = { 0 };
	int ret = 0;

	(void)state;
	vf_err_set(&why, ENOENT, "one");
	vf_err_first(&err, &ret, &why);
	vf_err_set(&why, EIO, "two");
	vf_err_first(&err, &ret, &why);
	assert_int_equal(ret, -ENOENT);
	assert_string_equal(err.msg, "one");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_and_wrap),
		cmocka_unit_test(errno_text),
		cmocka_unit_test(first_hint_stays),
		cmocka_unit_test(truncation),
		cmocka_unit_test(first),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
