// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "attr.h"
#include "vmfork_payload.h"

#define ATTR_HEAD	4
#define ATTR_ALIGN(len) (((len) + 3) & ~(size_t)3)

static void attr_head(uint8_t *at, size_t len, uint16_t type)
{
	uint16_t len16 = (uint16_t)len;

	memcpy(at, &len16, sizeof(len16));
	memcpy(at + 2, &type, sizeof(type));
}

void attr_put(struct attr_writer *w, uint16_t type, const void *value,
	      size_t len)
{
	size_t room = w->size - w->len;

	if (w->overflow || len > UINT16_MAX - ATTR_HEAD ||
	    ATTR_ALIGN(ATTR_HEAD + len) > room) {
		w->overflow = true;
		return;
	}
	memset(w->buf + w->len, 0, ATTR_ALIGN(ATTR_HEAD + len));
	attr_head(w->buf + w->len, ATTR_HEAD + len, type);
	if (len)
		memcpy(w->buf + w->len + ATTR_HEAD, value, len);
	w->len += ATTR_ALIGN(ATTR_HEAD + len);
}

size_t attr_nest_start(struct attr_writer *w, uint16_t type)
{
	size_t mark = w->len;

	attr_put(w, type | VMFORK_ATTR_NESTED, NULL, 0);
	return mark;
}

void attr_nest_end(struct attr_writer *w, size_t mark)
{
	size_t len = w->len - mark;
	uint16_t type;

	if (w->overflow)
		return;
	if (len > UINT16_MAX) {
		w->overflow = true;
		return;
	}
	memcpy(&type, w->buf + mark + 2, sizeof(type));
	attr_head(w->buf + mark, len, type);
}

int attr_next(const uint8_t **list, size_t *len, struct attr *attr)
{
	uint16_t attr_len, type;
	size_t step;

	if (*len == 0)
		return 0;
	if (*len < ATTR_HEAD)
		return -EBADMSG;
	memcpy(&attr_len, *list, sizeof(attr_len));
	memcpy(&type, *list + 2, sizeof(type));
	if (attr_len < ATTR_HEAD || attr_len > *len)
		return -EBADMSG;

	attr->type = type & VMFORK_ATTR_TYPE_MASK;
	attr->nested = type & VMFORK_ATTR_NESTED;
	attr->mandatory = type & VMFORK_ATTR_MANDATORY;
	attr->len = attr_len - ATTR_HEAD;
	attr->value = *list + ATTR_HEAD;

	/* As in netlink, the last attribute may come without its padding. */
	step = ATTR_ALIGN(attr_len);
	if (step > *len)
		step = *len;
	*list += step;
	*len -= step;
	return 1;
}
