// SPDX-License-Identifier: MIT
/*
 * What vmfork takes for QEMU where it is about forks by the thousand, for which no
 * machine has the memory: it speaks as much of QMP as a fork does, maps the image,
 * keeps the TAPs that it was given, and runs no guest.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define LINE_BYTES 65536
#define LOW_BYTES \
	0x80000000ULL /* above, an image's offset is not its address */
#define GREETING                                                          \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 2, \"minor\": 0," \
	" \"major\": 10}}, \"capabilities\": []}}\n"

struct engine {
	int qmp_fd;
	uint8_t *memory;
	uint64_t memory_bytes;
	bool runs;
};

/* A number that follows a word in one of the arguments. */
static unsigned long long option(int argc, char **argv, const char *arg,
				 const char *word)
{
	for (int i = 1; i < argc; i++) {
		const char *at = strncmp(argv[i], arg, strlen(arg))
					 ? NULL
					 : strstr(argv[i], word);

		if (at)
			return strtoull(at + strlen(word), NULL, 10);
	}
	fprintf(stderr, "standin: no %s in %s\n", word, arg);
	exit(1);
}

static void engine_init(struct engine *e, int argc, char **argv)
{
	static const char memory[] = "memory-backend-file,";
	off_t offset = (off_t)option(argc, argv, memory, ",offset=");
	int fd = (int)option(argc, argv, memory, "mem-path=/proc/self/fd/");

	e->memory_bytes = option(argc, argv, memory, ",size=");
	e->memory = mmap(NULL, e->memory_bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE, fd, offset);
	if (e->memory == MAP_FAILED || e->memory_bytes > LOW_BYTES) {
		perror("standin: memory");
		exit(1);
	}
	e->qmp_fd = (int)option(argc, argv, "socket,id=qmp,", "fd=");
}

__attribute__((format(printf, 2, 3))) static void say(int fd, const char *fmt,
						      ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void tell(int fd, const char *event, const char *data)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	say(fd,
	    "{\"timestamp\": {\"seconds\": %lld, \"microseconds\": %ld}, "
	    "\"event\": \"%s\", \"data\": {%s}}\n",
	    (long long)now.tv_sec, (long)now.tv_usec, event, data);
}

/* Where a page of the guest is; there is no VMClock. */
static void locate(struct engine *e, int fd, int id, const char *line)
{
	const char *at = strstr(line, "gpa2hva ");
	uint64_t gpa = at ? strtoull(at + strlen("gpa2hva "), NULL, 16) : 0;

	if (gpa < e->memory_bytes)
		say(fd,
		    "{\"return\": \"Host virtual address for 0x%" PRIx64
		    " (ram) is %p\\r\\n\", \"id\": %d}\n",
		    gpa, (void *)(e->memory + gpa), id);
	else
		say(fd,
		    "{\"return\": \"No memory is mapped at address 0x%" PRIx64
		    "\\r\\n\", \"id\": %d}\n",
		    gpa, id);
}

static void answer(struct engine *e, int fd, const char *line)
{
	const char *id_at = strstr(line, "\"id\":");
	int id = id_at ? atoi(id_at + strlen("\"id\":")) : 0;

	if (strstr(line, "human-monitor-command")) {
		locate(e, fd, id, line);
		return;
	}
	if (strstr(line, "\"query-status\"")) {
		say(fd, "{\"return\": {\"status\": \"%s\"}, \"id\": %d}\n",
		    e->runs ? "running" : "paused", id);
		return;
	}
	say(fd, "{\"return\": {}, \"id\": %d}\n", id);
	if (strstr(line, "\"migrate-incoming\""))
		tell(fd, "MIGRATION", "\"status\": \"completed\"");
	if (strstr(line, "\"cont\"")) {
		e->runs = true;
		tell(fd, "RESUME", "");
	}
}

static void serve(struct engine *e, int fd)
{
	static char line[LINE_BYTES];
	FILE *in = fdopen(fd, "r");

	say(fd, GREETING);
	while (in && fgets(line, sizeof(line), in))
		answer(e, fd, line);
	if (in)
		fclose(in);
}

int main(int argc, char **argv)
{
	struct engine e = { .qmp_fd = -1 };
	int fd;

	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts("QEMU emulator version 10.0.2 (stand-in)");
		return 0;
	}
	engine_init(&e, argc, argv);
	while ((fd = accept4(e.qmp_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		serve(&e, fd);
	perror("standin: accept");
	return 1;
}
