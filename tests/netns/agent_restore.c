// SPDX-License-Identifier: MIT
/*
 * The order of things while a VM boots, when its page is armed already: a
 * restore that comes before the interface does, mail that is no good, what the
 * host is told. The page is the test's, the network is real.
 */
#include "agent_env.h"

#include <netinet/in.h>

#include "monotonic.h"
#include "restore.h"

#define SEED 0xa7

static struct vmfork_mailbox page;
static struct agent agent;
static char state_dir[] = "/tmp/agent-restore-XXXXXX";
static int host_fd = -1;
static const char *payload; /* of the mail that is written next */
static bool has_unknown;    /* attribute in it, at the end, and mandatory */

static void agent_begin(void)
{
	memset(&page, 0, sizeof(page));
	agent = (struct agent){
		.mailbox = { .page = &page,
			     .page_fd = -1,
			     .pagemap_fd = -1,
			     .module_gpa = 0x1234000 },
		.root_fd = -1,
		.announce_fd = -1,
		.random_fd = -1,
		.ack.fd = -1,
		.netcfg = { .rtnl.fd = -1, .events.fd = -1 },
		.dir = { -1, -1 },
		.ready.fd = open("/dev/null", O_WRONLY | O_CLOEXEC),
	};
	assert_true(agent.ready.fd > 0);
	namespace_enter();
	assert_int_equal(netcfg_open(&agent.netcfg), 0);
	assert_int_equal(ack_open(&agent.ack, true), 0);
	assert_int_equal(statedir_open(&agent.dir, state_dir), 0);
	assert_int_equal(restore_init(&agent), 0);
	restore_arm(&agent);
}

/* Who started us has been told, and the descriptor closed. */
static bool is_ready(void)
{
	return !agent.ready.fd;
}

static int agent_end(void **state)
{
	(void)state;
	ack_close(&agent.ack);
	netcfg_close(&agent.netcfg);
	statedir_close(&agent.dir);
	if (!is_ready())
		close(agent.ready.fd);
	for (int i = 0; i < 2; i++) {
		if (taps[i] >= 0)
			close(taps[i]);
		taps[i] = -1;
	}
	if (host_fd >= 0)
		close(host_fd);
	host_fd = -1;
	payload = NULL;
	has_unknown = false;
	return 0;
}

/* A VM whose last byte is @last, be it in the id or the address. */
static void mail_write(struct vmfork_mail *mail, uint8_t last, uint64_t arm_seq)
{
	struct vmfork_identity id = identity();
	int len;

	id.link[0].addr4[0].addr[3] = last;
	if (host_fd >= 0) {
		struct sockaddr_in in;
		socklen_t size = sizeof(in);

		assert_int_equal(
			getsockname(host_fd, (struct sockaddr *)&in, &size), 0);
		memcpy(id.ack_addr, &in.sin_addr, 4);
		id.ack_port = ntohs(in.sin_port);
	}
	if (payload) {
		id.guest.payload = (const uint8_t *)payload;
		id.guest.payload_len = strlen(payload);
		id.guest.has_entropy = true;
		memset(id.guest.entropy, SEED, sizeof(id.guest.entropy));
	}
	memset(mail, 0, sizeof(*mail));
	memset(mail->restore_id, last, VMFORK_ID_LEN);
	mail->arm_seq = arm_seq;
	len = identity_encode(&id, mail->payload, sizeof(mail->payload));
	assert_true(len > 0);
	if (has_unknown) {
		memcpy(mail->payload + len, "\4\0\xff\x7f", 4);
		len += 4;
	}
	mail_seal(mail, (uint32_t)len);
}

static void fork_mail(uint8_t last)
{
	mail_write(&page.mail, last, page.header.arm_seq);
}

static void assert_armed(void)
{
	assert_int_equal(header_check(&page.header, 0x1234000), 0);
}

static void assert_status(enum vmfork_stage stage, enum vmfork_signal signal,
			  uint8_t last)
{
	assert_int_equal(page.status.stage, stage);
	assert_int_equal(page.status.signal, signal);
	assert_int_equal(page.status.restore_id[0], last);
	assert_int_equal(page.status.step, VMFORK_STEP_NONE);
	assert_int_equal(page.status.error, 0);
}

static void assert_addr(const char *there, const char *absent)
{
	char *dump = netns_dump();

	assert_non_null(dump);
	assert_true(dump_has(dump, there));
	assert_false(dump_has(dump, absent));
	free(dump);
}

/* What the loop does once the time has come. */
static void fire(struct loop_timer *timer)
{
	assert_true(timer->due_ns);
	timer->due_ns = 0;
	timer->cb(timer->arg);
}

/* All tasks, one after the other. */
static void settle(void)
{
	while (agent.settle.pending)
		fire(&agent.settle.timer);
}

/* Ready once the tasks before the hooks have ended, which nobody waits for. */
static void settle_to_hooks(void)
{
	const uint32_t before = SETTLE_BIT(VMFORK_TASK_HOOKS) - 1;

	while (agent.settle.pending & before) {
		assert_false(is_ready());
		fire(&agent.settle.timer);
	}
	assert_true(agent.settle.pending & SETTLE_BIT(VMFORK_TASK_HOOKS));
	assert_true(is_ready());
}

static void boot(void)
{
	mail_write(&agent.mail, 5, 0);
	restore_boot(&agent);
}

static void test_boot(void **state)
{
	uint64_t arm_seq;

	(void)state;
	agent_begin();
	tap_open(0);
	arm_seq = page.header.arm_seq;
	boot();
	assert_armed();
	assert_true(page.header.arm_seq == arm_seq);
	settle();
	assert_status(VMFORK_STAGE_SETTLED, VMFORK_SIGNAL_BOOT, 5);
	assert_addr("10.1.0.5/16", "10.1.0.6/16");
	assert_false(agent.mail_timer.due_ns);
}

static void test_boot_without_link(void **state)
{
	(void)state;
	agent_begin();
	boot();
	assert_armed();
	assert_status(VMFORK_STAGE_MAIL, VMFORK_SIGNAL_BOOT, 5);
	fire(&agent.mail_timer);
	assert_status(VMFORK_STAGE_MAIL, VMFORK_SIGNAL_BOOT, 5);
	tap_open(0);
	fire(&agent.mail_timer);
	assert_false(is_ready());
	settle();
	assert_true(is_ready());
	assert_status(VMFORK_STAGE_SETTLED, VMFORK_SIGNAL_BOOT, 5);
	assert_addr("10.1.0.5/16", "10.1.0.6/16");
}

/* Not for ever. */
static void test_boot_gives_up(void **state)
{
	(void)state;
	agent_begin();
	boot();
	agent.link_end_ns = monotonic_ns();
	fire(&agent.mail_timer);
	assert_int_equal(page.status.step, VMFORK_STEP_MATCH);
	assert_int_equal(page.status.error, ENODEV);
	assert_false(agent.mail_timer.due_ns);
	assert_armed();
	assert_true(is_ready());
}

/* A fork of a VM whose interface is still to come: it waits for it, too. */
static void test_restore_without_link(void **state)
{
	(void)state;
	agent_begin();
	boot();
	fork_mail(6);
	restore_wake(&agent, VMFORK_SIGNAL_VMGENID);
	assert_status(VMFORK_STAGE_MAIL, VMFORK_SIGNAL_VMGENID, 6);
	tap_open(0);
	fire(&agent.mail_timer);
	settle_to_hooks();
	settle();
	assert_status(VMFORK_STAGE_SETTLED, VMFORK_SIGNAL_VMGENID, 6);
	assert_int_equal(page.status.generation, 1);
	assert_addr("10.1.0.6/16", "10.1.0.5/16");
	assert_armed();
	/* from here on a link that is missing is a failure at once */
	close(taps[0]);
	taps[0] = -1;
	fork_mail(7);
	restore_wake(&agent, VMFORK_SIGNAL_VMGENID);
	assert_int_equal(page.status.step, VMFORK_STEP_MATCH);
	assert_false(agent.mail_timer.due_ns);
}

/* Restored without mail in that time: the mail at boot is not forgotten. */
static void test_no_mail_without_link(void **state)
{
	(void)state;
	agent_begin();
	boot();
	restore_wake(&agent, VMFORK_SIGNAL_VMGENID);
	agent.wait_end_ns = monotonic_ns();
	fire(&agent.mail_timer);
	assert_int_equal(page.status.step, VMFORK_STEP_MAIL);
	assert_int_equal(page.status.generation, 1);
	settle();
	assert_false(restore_is_over(&agent));
	assert_false(is_ready());
	tap_open(0);
	fire(&agent.mail_timer);
	settle();
	assert_true(is_ready());
	assert_status(VMFORK_STAGE_SETTLED, VMFORK_SIGNAL_VMGENID, 5);
	assert_addr("10.1.0.5/16", "10.1.0.6/16");
}

/* The snapshot fell between arming and applying: never the parent's network. */
static void test_restore_before_boot(void **state)
{
	(void)state;
	agent_begin();
	tap_open(0);
	fork_mail(6);
	boot();
	assert_addr("eth0", "10.1.0.5/16");
	assert_true(agent.check_timer.due_ns);
	restore_wake(&agent, VMFORK_SIGNAL_CHECK);
	settle();
	assert_status(VMFORK_STAGE_SETTLED, VMFORK_SIGNAL_CHECK, 6);
	assert_addr("10.1.0.6/16", "10.1.0.5/16");
	assert_false(agent.mail_timer.due_ns);
}

static void test_bad_boot_mail(void **state)
{
	(void)state;
	agent_begin();
	tap_open(0);
	mail_write(&agent.mail, 5, 0);
	agent.mail.payload[0] ^= 1;
	restore_boot(&agent);
	assert_armed();
	assert_int_equal(page.status.signal, VMFORK_SIGNAL_BOOT);
	assert_int_equal(page.status.step, VMFORK_STEP_VERIFY);
	assert_int_equal(page.status.error, EBADMSG);
	fork_mail(6);
	restore_wake(&agent, VMFORK_SIGNAL_CHECK);
	settle();
	assert_status(VMFORK_STAGE_SETTLED, VMFORK_SIGNAL_CHECK, 6);
}

static void host_open(void)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	host_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(host_fd, (struct sockaddr *)&in, sizeof(in)), 0);
}

static void host_receive(struct vmfork_ack *ack)
{
	/* over lo it has arrived when it was sent */
	assert_int_equal(recv(host_fd, ack, sizeof(*ack), MSG_DONTWAIT),
			 sizeof(*ack));
	assert_true(vmfork_ack_valid(ack, sizeof(*ack)));
}

/* What the host is told is the page as it is armed, and stays so. */
static void test_told(void **state)
{
	struct vmfork_ack ack;

	(void)state;
	agent_begin();
	host_open();
	tap_open(0);
	boot();
	host_receive(&ack);
	assert_int_equal(ack.kind, VMFORK_ACK_ARMED);
	assert_int_equal(ack.stage, VMFORK_STAGE_APPLIED);
	assert_int_equal(ack.gpa, page.header.gpa);
	assert_true(ack.arm_seq == page.header.arm_seq);
	assert_status(VMFORK_STAGE_APPLIED, VMFORK_SIGNAL_BOOT, 5);
	/* an answer between tasks is taken up; it ends none of them */
	fire(&agent.settle.timer);
	restore_answered(&agent, VMFORK_ACK_ARMED);
	assert_status(VMFORK_STAGE_ACKED, VMFORK_SIGNAL_BOOT, 5);
	settle();
	assert_status(VMFORK_STAGE_SETTLED, VMFORK_SIGNAL_BOOT, 5);
	assert_true(ack.arm_seq == page.header.arm_seq);
	/* an agent that is started again says where its page is now */
	memset(&agent.mail, 0, sizeof(agent.mail));
	restore_arm(&agent);
	boot();
	host_receive(&ack);
	assert_int_equal(ack.kind, VMFORK_ACK_ARMED);
	assert_true(ack.arm_seq == page.header.arm_seq);
}

static bool host_hears(void)
{
	char byte;

	return recv(host_fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0;
}

static void assert_no_secret(void)
{
	uint8_t seed[16];

	memset(seed, SEED, sizeof(seed));
	assert_null(memmem(&page, sizeof(page), payload, strlen(payload)));
	assert_null(memmem(&agent, sizeof(agent), payload, strlen(payload)));
	assert_null(memmem(&page, sizeof(page), seed, sizeof(seed)));
	assert_null(memmem(&agent, sizeof(agent), seed, sizeof(seed)));
	assert_null(agent.id.guest.payload);
}

/* Tasks wait for no answer, the last stage for both; nothing secret is left. */
static void test_settled(void **state)
{
	const uint32_t bit = 1U << VMFORK_TASK_PAYLOAD;
	struct vmfork_ack ack;

	(void)state;
	payload = "the secret of a workload";
	agent_begin();
	host_open();
	tap_open(0);
	fork_mail(6);
	restore_wake(&agent, VMFORK_SIGNAL_MAILBOX);
	host_receive(&ack);
	assert_int_equal(ack.kind, VMFORK_ACK_APPLIED);
	assert_int_equal(ack.stage, VMFORK_STAGE_APPLIED);
	assert_int_equal(page.status.tasks_done, 0);
	assert_false(restore_is_over(&agent));
	settle();
	assert_false(host_hears());
	assert_status(VMFORK_STAGE_APPLIED, VMFORK_SIGNAL_MAILBOX, 6);
	assert_int_equal(page.status.tasks_done & bit, bit);
	assert_int_equal(page.status.tasks_failed, 0);
	assert_int_equal(faccessat(agent.dir.dir_fd, "payload", R_OK, 0), 0);
	assert_no_secret();
	assert_true(agent.record.is_settled && restore_is_over(&agent));
	restore_answered(&agent, VMFORK_ACK_APPLIED);
	assert_status(VMFORK_STAGE_SETTLED, VMFORK_SIGNAL_MAILBOX, 6);
	host_receive(&ack);
	assert_int_equal(ack.kind, VMFORK_ACK_SETTLED);
	assert_armed();
}

/* Refused, or applied once already: what it held is not kept for that. */
static void test_secrets(void **state)
{
	(void)state;
	payload = "the secret of another";
	agent_begin();
	fork_mail(6);
	restore_wake(&agent, VMFORK_SIGNAL_MAILBOX);
	assert_int_equal(page.status.step, VMFORK_STEP_MATCH);
	assert_no_secret();
	settle();
	assert_true(restore_is_over(&agent));
	assert_false(agent.record.is_settled);
	tap_open(0);
	has_unknown = true;
	fork_mail(7);
	restore_wake(&agent, VMFORK_SIGNAL_MAILBOX);
	assert_int_equal(page.status.step, VMFORK_STEP_DECODE);
	assert_int_equal(page.status.error, EOPNOTSUPP);
	assert_no_secret();
	has_unknown = false;
	agent.record.applied_id[0] = 5;
	boot();
	assert_no_secret();
}

static int state_dir_make(void **state)
{
	(void)state;
	return mkdtemp(state_dir) ? 0 : -1;
}

static int state_dir_remove(void **state)
{
	static const char *const files[] = { "lock", "state", "status.json",
					     "payload" };
	char path[64];

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", state_dir, files[i]);
		unlink(path);
	}
	return rmdir(state_dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_boot, agent_end),
		cmocka_unit_test_teardown(test_boot_without_link, agent_end),
		cmocka_unit_test_teardown(test_boot_gives_up, agent_end),
		cmocka_unit_test_teardown(test_restore_without_link, agent_end),
		cmocka_unit_test_teardown(test_no_mail_without_link, agent_end),
		cmocka_unit_test_teardown(test_restore_before_boot, agent_end),
		cmocka_unit_test_teardown(test_bad_boot_mail, agent_end),
		cmocka_unit_test_teardown(test_told, agent_end),
		cmocka_unit_test_teardown(test_settled, agent_end),
		cmocka_unit_test_teardown(test_secrets, agent_end),
	};

	return cmocka_run_group_tests(tests, state_dir_make, state_dir_remove);
}
