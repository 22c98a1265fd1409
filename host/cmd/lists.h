/* SPDX-License-Identifier: MIT */
#ifndef VF_LISTS_H
#define VF_LISTS_H

#include "bench/list.h"
#include "cmd/cmd.h"

/**
 * lists_parse() - What an option lists, with commas between
 * @cmd:	command
 * @option:	its name, with the hyphens
 * @text:	what was given
 * @names:	what there is to choose from; NULL: numbers
 * @num:	how many names
 * @unit:	what such a number is, for the error
 * @list:	in: empty; out: each once, in the order given
 * @err:	error
 *
 * Return: 0 or -EINVAL
 */
int lists_parse(struct cmd *cmd, const char *option, const char *text,
		const char *const *names, unsigned int num, const char *unit,
		struct bench_list *list, struct vf_err *err);

#endif
