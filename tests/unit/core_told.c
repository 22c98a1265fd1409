// SPDX-License-Identifier: MIT
/*
 * What forks are told: templates, what is each one's own, what is left out at
 * boot, payloads from files and pipes, and letters that no guest would take.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/told.h"
#include "unit/scratch.h"

#define SOON_US	    2000000
#define NOTHING_US  20000
#define SNAPSHOT_NS 123456789
#define X59                             \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static struct identity_guest tell(const struct told *told, const char *name)
{
	struct identity_guest guest;
	struct vf_err err;

	assert_int_equal(
		told_guest(told, &guest, name, "ready", SNAPSHOT_NS, &err), 0);
	return guest;
}

static void by_default(void **state)
{
	const struct told told = { 0 };
	struct identity_guest a = tell(&told, "web_1.x-1");
	struct identity_guest b = tell(&told, "web-2");
	struct timespec now;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &now);
	assert_string_equal(a.name, "web_1.x-1");
	assert_string_equal(a.parent, "ready");
	assert_string_equal(a.hostname, "web-1.x-1");
	assert_true(a.has_machine_id && a.has_clock && a.has_entropy);
	assert_false(a.has_hooks || a.keep_tcp || a.payload_len || a.num_dns4);
	assert_int_equal(a.clock.monotonic_ns, SNAPSHOT_NS);
	assert_in_range(a.clock.realtime_ns / 1000000000, now.tv_sec - 60,
			now.tv_sec);
	/* RFC 9562: version 4 and its variant; all else is random */
	assert_int_equal(a.machine_id[6] >> 4, 4);
	assert_int_equal(a.machine_id[8] >> 6, 2);
	assert_memory_not_equal(a.machine_id, b.machine_id, VMFORK_ID_LEN);
	assert_memory_not_equal(a.entropy, b.entropy, VMFORK_ENTROPY_LEN);
}

static void left_alone(void **state)
{
	const struct told told = {
		.no_hostname = true,
		.keep_machine_id = true,
		.no_clock = true,
		.all = { .keep_tcp = true, .search = "a.b" },
	};
	struct identity_guest guest = tell(&told, "web-1");

	(void)state;
	assert_string_equal(guest.hostname, "");
	assert_false(guest.has_machine_id || guest.has_clock);
	assert_true(guest.keep_tcp && guest.has_entropy);
	assert_string_equal(guest.search, "a.b");
}

/*
 * The clock and the random numbers are of one moment, TCP of another VM, and a
 * payload is delivered once.
 */
static void at_boot(void **state)
{
	const struct told told = { .all = { .keep_tcp = true,
					    .tells_stages = true,
					    .has_hooks = true } };
	struct identity_guest guest = tell(&told, "web-1"), boot = guest;

	(void)state;
	boot.payload = (const uint8_t *)"secret";
	boot.payload_len = 6;
	told_at_boot(&boot);
	assert_false(boot.has_clock || boot.has_entropy || boot.has_hooks ||
		     boot.keep_tcp || boot.tells_stages || boot.payload ||
		     boot.payload_len);
	assert_string_equal(boot.hostname, guest.hostname);
	assert_memory_equal(boot.machine_id, guest.machine_id, VMFORK_ID_LEN);
}

static void templates(void **state)
{
	static const struct {
		const char *template, *want; /* NULL: refused */
	} rows[] = {
		{ "{name}", "web-1" },
		{ "{name}.example.org", "web-1.example.org" },
		{ "a-{name}-{name}", "a-web-1-web-1" },
		{ "plain", "plain" },
		{ "", NULL },
		{ "{nam}", NULL },
		{ "{name", NULL },
		{ "name}", NULL },
		{ "{{name}}", NULL },
		/* with the name 64 bytes, and one more is too long */
		{ "{name}" X59, "web-1" X59 },
		{ "{name}x" X59, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct told told = { .hostname = rows[i].template };
		struct identity_guest guest;
		struct vf_err err;
		int ret = told_guest(&told, &guest, "web-1", "ready", 0, &err);

		assert_int_equal(ret, rows[i].want ? 0 : -EINVAL);
		if (rows[i].want)
			assert_string_equal(guest.hostname, rows[i].want);
		else
			assert_non_null(strstr(err.msg, "host name '"));
	}
}

/* What the rules of both sides forbid is said in their words. */
static void checked(void **state)
{
	static const struct {
		struct told told;
		const char *want; /* NULL: it is fine */
	} rows[] = {
		{ { 0 }, NULL },
		{ { .hostname = "a.b-c" }, NULL },
		{ { .all = { .num_dns4 = 1, .dns4 = { { 127, 0, 0, 53 } } } },
		  NULL },
		{ { .hostname = "a b" },
		  "hostname: a character that may not be there" },
		{ { .hostname = "-a" },
		  "hostname: a character that may not be there" },
		{ { .all = { .num_dns4 = 1, .dns4 = { { 224 } } } },
		  "dns.server4: not a unicast address" },
		{ { .all = { .num_dns6 = 1, .dns6 = { { 0xff } } } },
		  "dns.server6: not a unicast address" },
		{ { .all = { .search = "a b_c" } },
		  "dns.search: a character that may not be there" },
		{ { .all = { .has_hooks = true, .hooks.policy = 7 } },
		  "hooks: out of range" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vf_err err = { 0 };
		int ret = told_check(&rows[i].told, &err);

		assert_true(rows[i].want ? ret < 0 : ret == 0);
		assert_string_equal(err.msg, rows[i].want ? rows[i].want : "");
	}
}

/* All that one guest can be told besides its network leaves room for that. */
static void lengths(void **state)
{
	uint8_t payload[VMFORK_GUEST_PAYLOAD_MAX] = { 1 };
	const struct told told = { 0 };
	struct letter letter = { .identity.guest = tell(&told, "web-1") };
	struct identity_guest *guest = &letter.identity.guest;
	struct vf_err err;

	(void)state;
	memset(guest->name, 'n', VMFORK_NAME_MAX);
	memset(guest->parent, 'p', VMFORK_NAME_MAX);
	memset(guest->hostname, 'h', VMFORK_NAME_MAX);
	memset(guest->search, 's', VMFORK_SEARCH_MAX);
	guest->num_dns6 = 3;
	memset(guest->dns6, 0x20, sizeof(guest->dns6));
	guest->has_hooks = true;
	guest->hooks.timeout_ms = 1;
	guest->payload = payload;
	guest->payload_len = sizeof(payload);
	letter.identity.num_links = 1;
	letter.identity.link[0].match = IDENTITY_MATCH_INDEX;
	letter.identity.link[0].match_index = 2;
	assert_int_equal(letter_check(&letter, &err), 0);

	letter.identity.num_links = IDENTITY_LINKS_MAX;
	for (int i = 0; i < IDENTITY_LINKS_MAX; i++) {
		struct identity_link *link = &letter.identity.link[i];

		link->match = IDENTITY_MATCH_INDEX;
		link->match_index = 2 + i;
		link->num_routes = IDENTITY_ROUTES_MAX;
		for (int k = 0; k < IDENTITY_ROUTES_MAX; k++)
			link->routes[k] = (struct identity_route){
				.dst = { 10, (uint8_t)k },
				.dst_len = 16,
			};
	}
	assert_int_equal(letter_check(&letter, &err), -EMSGSIZE);
	assert_non_null(strstr(err.msg, "has room for 3008"));
	assert_non_null(strstr(err.hint, "a shorter payload (it has 2048)"));
	assert_non_null(strstr(err.hint, "routes (32)"));
	/* it is as long as it is said to be */
	guest->payload_len = 1;
	guest->search[0] = '\0';
	assert_int_equal(letter_check(&letter, &err), 0);
}

/* The time in a letter is that of its stamp. */
static void stamped(void **state)
{
	const struct told told = { 0 };
	struct identity_guest guest = tell(&told, "web-1");

	(void)state;
	guest.clock.realtime_ns = 1;
	letter_stamp(&guest);
	assert_true(guest.clock.realtime_ns > 1);
	assert_int_equal(guest.clock.monotonic_ns, SNAPSHOT_NS);
	guest.has_clock = false;
	guest.clock.realtime_ns = 1;
	letter_stamp(&guest);
	assert_int_equal(guest.clock.realtime_ns, 1);
}

/* --- payloads ------------------------------------------------------------- */

static int read_one(struct payload *payload, int dir_fd, const char *path,
		    struct vf_err *err)
{
	return payload_read(payload, dir_fd, path, -1, vf_now_us() + SOON_US,
			    err);
}

static void write_file(int dir_fd, const char *name, size_t len)
{
	char bytes[VMFORK_GUEST_PAYLOAD_MAX + 1];
	struct vf_err err;

	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(vf_write_file(dir_fd, name, bytes, len, false, &err),
			 0);
}

static void files(void **state)
{
	int dir_fd = ((struct scratch *)*state)->dir_fd;
	struct payload payload;
	struct vf_err err;

	write_file(dir_fd, "one", 1);
	assert_int_equal(read_one(&payload, dir_fd, "one", &err), 0);
	assert_int_equal(payload.len, 1);
	assert_int_equal(payload.bytes[0], 'x');
	write_file(dir_fd, "most", VMFORK_GUEST_PAYLOAD_MAX);
	assert_int_equal(read_one(&payload, dir_fd, "most", &err), 0);
	assert_int_equal(payload.len, VMFORK_GUEST_PAYLOAD_MAX);
	payload_wipe(&payload);
	assert_int_equal(payload.len, 0);
	assert_int_equal(payload.bytes[VMFORK_GUEST_PAYLOAD_MAX - 1], 0);
	write_file(dir_fd, "more", VMFORK_GUEST_PAYLOAD_MAX + 1);
	assert_int_equal(read_one(&payload, dir_fd, "more", &err), -EFBIG);
	assert_string_equal(err.msg, "payload more: larger than 2048 bytes");
	write_file(dir_fd, "none", 0);
	assert_int_equal(read_one(&payload, dir_fd, "none", &err), -ENODATA);
	assert_string_equal(err.msg, "payload none: is empty");
	assert_int_equal(read_one(&payload, dir_fd, "absent", &err), -ENOENT);
	assert_int_equal(read_one(&payload, AT_FDCWD, "/dev/zero", &err),
			 -EINVAL);
	assert_int_equal(read_one(&payload, AT_FDCWD, "/", &err), -EINVAL);
}

/* A pipe whose writer never comes, comes in parts, or is given up on. */
static void pipes(void **state)
{
	int dir_fd = ((struct scratch *)*state)->dir_fd;
	__close int cancel_fd = eventfd(1, EFD_CLOEXEC);
	__close int writer_fd = -1;
	struct payload payload;
	struct vf_err err;

	assert_int_equal(mkfifoat(dir_fd, "pipe", 0600), 0);
	assert_int_equal(payload_read(&payload, dir_fd, "pipe", -1,
				      vf_now_us() + NOTHING_US, &err),
			 -ETIMEDOUT);
	assert_int_equal(payload_read(&payload, dir_fd, "pipe", cancel_fd,
				      vf_now_us() + SOON_US, &err),
			 -ECANCELED);
	writer_fd = openat(dir_fd, "pipe", O_RDWR | O_CLOEXEC);
	assert_int_equal(vf_write_all(writer_fd, "abc", 3), 0);
	/* its end stays open */
	assert_int_equal(payload_read(&payload, dir_fd, "pipe", -1,
				      vf_now_us() + NOTHING_US, &err),
			 -ETIMEDOUT);
}

/* What was written before the writer went is all there is. */
static void pipe_ends(void **state)
{
	struct payload payload;
	struct vf_err err;
	char path[32];
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(vf_write_all(fds[1], "abc", 3), 0);
	close(fds[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
	assert_int_equal(read_one(&payload, AT_FDCWD, path, &err), 0);
	assert_int_equal(payload.len, 3);
	assert_memory_equal(payload.bytes, "abc", 3);
	close(fds[0]);
}

static void one_for_all(void **state)
{
	static const char *const names[] = { "web-1", "web-2" };
	const struct scratch *scratch = *state;
	struct identity_guest guest = { 0 };
	struct told_payloads payloads;
	struct told told = { 0 };
	struct vf_err err;
	char path[128];

	snprintf(path, sizeof(path), "%s/all", scratch->path);
	write_file(scratch->dir_fd, "all", 7);
	told.payload = path;
	assert_int_equal(told_payloads_init(&payloads, &told, names, 2, -1,
					    vf_now_us() + SOON_US, &err),
			 0);
	for (unsigned int i = 0; i < 2; i++) {
		told_payloads_give(&payloads, i, &guest);
		assert_int_equal(guest.payload_len, 7);
		assert_ptr_equal(guest.payload, payloads.items->bytes);
	}
	told_payloads_exit(&payloads);
}

static void one_for_each(void **state)
{
	static const char *const names[] = { "web-1", "web-2" };
	const struct scratch *scratch = *state;
	const struct told told = { .payload_dir = scratch->path };
	struct identity_guest guest = { 0 };
	struct told_payloads payloads;
	struct vf_err err;

	write_file(scratch->dir_fd, "web-1", 1);
	assert_int_equal(told_payloads_init(&payloads, &told, names, 2, -1,
					    vf_now_us() + SOON_US, &err),
			 -ENOENT);
	assert_non_null(strstr(err.msg, "web-2: No such file"));
	told_payloads_exit(&payloads);
	write_file(scratch->dir_fd, "web-2", 2);
	assert_int_equal(told_payloads_init(&payloads, &told, names, 2, -1,
					    vf_now_us() + SOON_US, &err),
			 0);
	for (unsigned int i = 0; i < 2; i++) {
		told_payloads_give(&payloads, i, &guest);
		assert_int_equal(guest.payload_len, i + 1);
	}
	told_payloads_exit(&payloads);
	assert_int_equal(told_payloads_init(&payloads, &(struct told){ 0 },
					    names, 2, -1, 0, &err),
			 0);
	guest = (struct identity_guest){ 0 };
	told_payloads_give(&payloads, 0, &guest);
	assert_null(guest.payload);
}

static int setup(void **state)
{
	static struct scratch scratch;

	*state = &scratch;
	return scratch_init(&scratch);
}

static int teardown(void **state)
{
	return scratch_exit(*state);
}

#define dir_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_default),
		cmocka_unit_test(left_alone),
		cmocka_unit_test(at_boot),
		cmocka_unit_test(templates),
		cmocka_unit_test(checked),
		cmocka_unit_test(lengths),
		cmocka_unit_test(stamped),
		dir_test(files),
		dir_test(pipes),
		cmocka_unit_test(pipe_ends),
		dir_test(one_for_all),
		dir_test(one_for_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
