// SPDX-License-Identifier: MIT
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/unix.h"
#include "core/tail.h"
#include "vmm/vmm.h"

#define CONNECT_US 1000000
#define LINES	   5
#define LINE_BYTES 64
#define READS	   64 /* at a time: a guest that floods must not keep us here */

void tail_open(struct tail *tail, int run_fd)
{
	*tail = (struct tail){
		.fd = vf_unix_connect(run_fd, VMM_CONSOLE_SOCKET, -1,
				      vf_now_us() + CONNECT_US),
	};
}

void tail_read(struct tail *tail)
{
	char buf[TAIL_BYTES / 2];
	ssize_t n;

	for (int i = 0; tail->fd >= 0 && i < READS; i++) {
		n = recv(tail->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n <= 0)
			return;
		if (tail->used + (size_t)n > TAIL_BYTES) {
			size_t keep = TAIL_BYTES - (size_t)n;

			if (keep > tail->used)
				keep = tail->used;
			memmove(tail->text, tail->text + tail->used - keep,
				keep);
			tail->used = keep;
		}
		memcpy(tail->text + tail->used, buf, (size_t)n);
		tail->used += (size_t)n;
	}
}

bool tail_has(const struct tail *tail, const char *text)
{
	return memmem(tail->text, tail->used, text, strlen(text));
}

void tail_show(struct tail *tail)
{
	char *lines[LINES], *line, *save = NULL;
	size_t num = 0;

	tail_read(tail);
	tail->text[tail->used] = '\0';
	for (line = strtok_r(tail->text, "\r\n", &save); line;
	     line = strtok_r(NULL, "\r\n", &save))
		lines[num++ % LINES] = line;
	for (size_t i = num > LINES ? num - LINES : 0; i < num; i++)
		vf_log(VF_LOG_INFO, "console: %.*s", LINE_BYTES,
		       vf_ascii(lines[i % LINES]));
}

void tail_close(struct tail *tail)
{
	vf_close_fd(&tail->fd);
	tail->fd = -1;
}
