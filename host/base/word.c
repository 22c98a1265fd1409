// SPDX-License-Identifier: MIT
/*
 * It is sought in all that a process may have as its own by then: heap, stack,
 * anonymous memory; not in what can be executed, nor in mappings of files, of
 * which guest memory is one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/word.h"

#define CHUNK	   (1U << 20)
#define REGION_MAX (256ULL << 20) /* no heap that has just begun is as large */
#define WORD_MAX   4096

static ssize_t peek(pid_t pid, uint64_t at, void *buf, size_t len)
{
	struct iovec local = { buf, len };
	struct iovec remote = { (void *)(uintptr_t)at, len };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0);
}

/* Is that a mapping in which it can be? */
static bool parse_region(const char *line, uint64_t *from, uint64_t *to)
{
	char rights[5], path[16] = "";

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*s %*u %15s", from,
		   to, rights, path) < 3)
		return false;
	return !strcmp(rights, "rw-p") && *to - *from <= REGION_MAX &&
	       (!path[0] || !strcmp(path, "[heap]") ||
		!strcmp(path, "[stack]"));
}

/* All places in some bytes that were read; one cut at their end comes again. */
static int note_places(struct word *word, const uint8_t *buf, size_t len,
		       uint64_t at, const void *what, size_t bytes)
{
	const uint8_t *p = buf;

	while ((p = memmem(p, len - (size_t)(p - buf), what, bytes))) {
		if (word->num == WORD_PLACES)
			return -E2BIG;
		word->at[word->num++] = at + (uint64_t)(p - buf);
		p += bytes;
	}
	return 0;
}

static int search_region(struct word *word, pid_t pid, uint64_t from,
			 uint64_t to, uint8_t *buf, const void *what,
			 size_t bytes)
{
	int ret = 0;

	for (uint64_t at = from; !ret && at + bytes <= to;
	     at += CHUNK - bytes + 1) {
		size_t len = to - at < CHUNK ? to - at : CHUNK;
		ssize_t n = peek(pid, at, buf, len);

		/* it may have given that back to the kernel */
		if (n < 0 && errno != EFAULT)
			return -errno;
		if (n > 0)
			ret = note_places(word, buf, (size_t)n, at, what,
					  bytes);
	}
	return ret;
}

int word_find(const struct process *proc, const void *what, size_t bytes,
	      struct word *word, struct vf_err *err)
{
	__free uint8_t *buf = malloc(CHUNK);
	__fclose FILE *maps = NULL;
	__free char *line = NULL;
	size_t room = 0;
	char path[32];
	int ret = 0;

	*word = (struct word){ 0 };
	snprintf(path, sizeof(path), "/proc/%d/maps", proc->pid);
	maps = fopen(path, "re");
	if (!buf || !maps)
		return vf_err_errno(err, errno, "%s", path);
	while (!ret && getline(&line, &room, maps) > 0) {
		uint64_t from, to;

		if (parse_region(line, &from, &to))
			ret = search_region(word, proc->pid, from, to, buf,
					    what, bytes);
	}
	return ret < 0 ? vf_err_errno(err, ret, "a process's memory") : 0;
}

int word_change(struct process *proc, const struct word *word, const void *from,
		const void *to, size_t bytes, struct vf_err *err)
{
	uint8_t now[WORD_MAX];

	/* its number may be another's by now */
	if (process_wait(proc, 0) == 0)
		return vf_err_set(err, ECONNRESET, "it ended");
	if (bytes > sizeof(now))
		return vf_err_errno(err, EMSGSIZE, "a process's memory");
	for (unsigned int i = 0; i < word->num; i++) {
		struct iovec local = { (void *)to, bytes };
		struct iovec remote = { (void *)(uintptr_t)word->at[i], bytes };

		if (peek(proc->pid, word->at[i], now, bytes) !=
			    (ssize_t)bytes ||
		    memcmp(now, from, bytes) != 0)
			return vf_err_set(err, ESTALE,
					  "a process's memory: not what was "
					  "found there");
		if (process_vm_writev(proc->pid, &local, 1, &remote, 1, 0) !=
		    (ssize_t)bytes)
			return vf_err_errno(err, errno, "a process's memory");
	}
	return 0;
}
