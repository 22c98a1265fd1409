// SPDX-License-Identifier: MIT
/* Declarative options. cmd.h holds the contract. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "names.h"

#define OPTS_MAX 48
/* getopt_long() returns the index of a long option from here on */
#define OPT_BASE 1000

int cmd_usage_error(struct cmd *cmd, struct vf_err *err, const char *fmt, ...)
{
	char msg[VF_ERR_MSG_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	cmd->usage_error = true;
	vf_err_set(err, EINVAL, "%s: %s", cmd->name, msg);
	vf_err_hint(err, "see 'vmfork %s --help'", cmd->name);
	return -EINVAL;
}

static void print_option(const struct opt *o)
{
	char left[64];

	snprintf(left, sizeof(left), "%s%c%s--%s%s%s", o->letter ? "-" : "",
		 o->letter ? o->letter : ' ', o->letter ? ", " : "   ", o->name,
		 o->arg ? " " : "", o->arg ? o->arg : "");
	printf("  %-26s %s\n", left, o->help);
}

static void print_options(const struct opt *opts)
{
	for (const struct opt *o = opts; o && o->name; o++) {
		if (o->type == OPT_TABLE)
			print_options(o->value);
		else
			print_option(o);
	}
}

int cmd_parse_prefetch(struct cmd *cmd, struct prefetch_wish *wish,
		       const char *word, struct vf_err *err)
{
	static const char *const names[] = {
		[PREFETCH_OFF] = "off",
		[PREFETCH_AUTO] = "auto",
		[PREFETCH_LIST] = "list",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(word, names[i]) != 0)
			continue;
		wish->mode = (enum prefetch_mode)i;
		return 0;
	}
	wish->mode = PREFETCH_AROUND;
	if (cmd_parse_size(word, &wish->bytes) < 0 || !wish->bytes)
		return cmd_usage_error(cmd, err,
				       "--prefetch '%.64s': not auto, off, "
				       "list or a size",
				       word);
	return 0;
}

int cmd_parse_policy(struct cmd *cmd, enum vmfork_policy *policy,
		     const char *word, struct vf_err *err)
{
	for (uint32_t i = 0; i < VMFORK_POLICY_NUM; i++) {
		if (strcmp(word, vmfork_policy_name(i)) != 0)
			continue;
		*policy = (enum vmfork_policy)i;
		return 0;
	}
	return cmd_usage_error(cmd, err,
			       "--hooks '%s': neither ignore nor fail", word);
}

static void print_help(const struct cmd *cmd, const struct usage *usage,
		       const struct opt *common)
{
	printf("Usage: vmfork %s [options]%s%s\n\n%s\n\n", cmd->name,
	       *usage->args ? " " : "", usage->args, usage->summary);
	print_options(usage->opts);
	print_options(common);
}

static int parse_number(const char *text, uint64_t max, bool suffix,
			uint64_t *value)
{
	static const char suffixes[] = "KMGT";
	const char *s;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*value = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	if (suffix && *end && (s = strchr(suffixes, *end & ~0x20))) {
		int shift = 10 * (int)(s - suffixes + 1);

		if (*value > UINT64_MAX >> shift)
			return -ERANGE;
		*value <<= shift;
		end++;
	}
	if (*end)
		return -EINVAL;
	return *value > max ? -ERANGE : 0;
}

int cmd_parse_size(const char *text, uint64_t *bytes)
{
	return parse_number(text, INT64_MAX, true, bytes);
}

static int words_add(struct opt_words *words, const char *word)
{
	if (words->num == OPT_WORDS_MAX)
		return -E2BIG;
	words->word[words->num++] = word;
	return 0;
}

static int order_add(struct opt_order *order, const struct opt *o,
		     const char *arg)
{
	if (order->num == OPT_ORDER_MAX)
		return -E2BIG;
	order->item[order->num].opt = o;
	order->item[order->num++].arg = arg;
	return 0;
}

static int opt_set(const struct opt *o, const char *arg)
{
	uint64_t number;
	int ret = 0;

	switch (o->type) {
	case OPT_FLAG:
	case OPT_NEGATE:
		*(bool *)o->value = o->type == OPT_FLAG;
		break;
	case OPT_STRING:
		*(const char **)o->value = arg;
		break;
	case OPT_UINT:
		ret = parse_number(arg, INT32_MAX, false, &number);
		if (!ret)
			*(unsigned int *)o->value = (unsigned int)number;
		break;
	case OPT_SIZE:
		ret = cmd_parse_size(arg, &number);
		if (!ret)
			*(uint64_t *)o->value = number;
		break;
	case OPT_WORDS:
		ret = words_add(o->value, arg);
		break;
	case OPT_ORDER:
		ret = order_add(o->value, o, arg);
		break;
	case OPT_TABLE:
		break;
	}
	return ret;
}

static const char *opt_fault(int ret)
{
	if (ret == -ERANGE)
		return "out of range";
	return ret == -E2BIG ? "given too often" : "not a number";
}

/* All options of a command, own and common, in one array. */
struct opt_list {
	const struct opt *opts[OPTS_MAX];
	struct option longs[OPTS_MAX + 1];
	char shorts[2 * OPTS_MAX + 2];
	int num;
};

static void list_add_one(struct opt_list *list, const struct opt *o)
{
	bool has_arg = o->arg;
	size_t len = strlen(list->shorts);

	list->longs[list->num] = (struct option){
		o->name,
		has_arg ? required_argument : no_argument,
		NULL,
		OPT_BASE + list->num,
	};
	list->opts[list->num++] = o;
	if (o->letter)
		list->shorts[len++] = o->letter;
	if (o->letter && has_arg)
		list->shorts[len] = ':';
}

static void list_add(struct opt_list *list, const struct opt *opts)
{
	for (const struct opt *o = opts; o && o->name; o++) {
		if (o->type == OPT_TABLE)
			list_add(list, o->value);
		else if (list->num < OPTS_MAX)
			list_add_one(list, o);
	}
}

static const struct opt *list_find(const struct opt_list *list, int c)
{
	if (c >= OPT_BASE && c < OPT_BASE + list->num)
		return list->opts[c - OPT_BASE];
	for (int i = 0; i < list->num; i++)
		if (list->opts[i]->letter == c)
			return list->opts[i];
	return NULL;
}

static int parse_words(struct cmd *cmd, struct opt_list *list, int argc,
		       char **argv, struct vf_err *err)
{
	int c, ret;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, list->shorts, list->longs, NULL)) !=
	       -1) {
		const struct opt *o = list_find(list, c);

		if (c == ':')
			return cmd_usage_error(cmd, err,
					       "option %s needs an argument",
					       argv[optind - 1]);
		if (!o)
			return cmd_usage_error(cmd, err, "unknown option %s",
					       argv[optind - 1]);
		ret = opt_set(o, optarg);
		if (ret < 0)
			return cmd_usage_error(cmd, err, "--%s '%s': %s",
					       o->name, optarg, opt_fault(ret));
	}
	return 0;
}

int cmd_parse(struct cmd *cmd, const struct usage *usage, int *argc,
	      char ***argv, struct vf_err *err)
{
	bool help = false, verbose = false, quiet = false;
	const struct opt common[] = {
		{ "state", 0, OPT_STRING, &cmd->state_path, "DIR",
		  "state directory (VMFORK_STATE, " STATE_DEFAULT_PATH ")" },
		{ "json", 0, OPT_FLAG, &cmd->json, NULL,
		  "print one JSON document" },
		{ "verbose", 'v', OPT_FLAG, &verbose, NULL, "say more" },
		{ "quiet", 'q', OPT_FLAG, &quiet, NULL, "say errors only" },
		{ "help", 'h', OPT_FLAG, &help, NULL, "print this" },
		{ 0 },
	};
	struct opt_list list = { .shorts = ":" };
	int ret;

	list_add(&list, usage->opts);
	list_add(&list, common);
	ret = parse_words(cmd, &list, *argc, *argv, err);
	if (ret < 0)
		return ret;
	if (help) {
		print_help(cmd, usage, common);
		return 1;
	}
	vf_log_init(verbose ? VF_LOG_DEBUG
		    : quiet ? VF_LOG_ERROR
			    : VF_LOG_INFO);
	*argc -= optind;
	*argv += optind;
	if (*argc < usage->min_args)
		return cmd_usage_error(cmd, err, "needs %s", usage->args);
	if (usage->max_args >= 0 && *argc > usage->max_args)
		return cmd_usage_error(cmd, err, "unexpected argument '%s'",
				       (*argv)[usage->max_args]);
	return 0;
}
