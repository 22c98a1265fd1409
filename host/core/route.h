/* SPDX-License-Identifier: MIT */
/* Routes as words. */
#ifndef VF_ROUTE_H
#define VF_ROUTE_H

#include "mail.h"

/**
 * route_parse() - Parse a route
 * @route:	out
 * @text:	"DST [via GATEWAY] [metric N] [src ADDR]" or "blackhole DST
 *		[metric N]"; DST is ADDR, ADDR/LEN or, with a gateway, default
 * @why:	out, on failure: what is wrong; a literal
 *
 * Return: 0 or -EINVAL
 */
int route_parse(struct identity_route *route, const char *text,
		const char **why);

#endif
