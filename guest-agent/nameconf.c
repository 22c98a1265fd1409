// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "conffile.h"
#include "log.h"
#include "nameconf.h"
#include "settle.h"

#define HOSTNAME "etc/hostname"
#define HOSTS	 "etc/hosts"
#define RESOLV	 "etc/resolv.conf"
#define OURS	 "# vmfork"

/* What is not ours to write is no failure. */
static int task_result(const char *path, int ret)
{
	if (ret == -ELOOP)
		log_line(LOG_INFO, "/%s is a symbolic link, left alone", path);
	return ret == -ELOOP || ret == -ENOENT ? SETTLE_NOTHING : ret;
}

int nameconf_hostname(struct agent *agent)
{
	const char *name = agent->id.guest.hostname;
	char line[VMFORK_NAME_MAX + 2];
	int len, ret;

	if (!*name)
		return SETTLE_NOTHING;
	if (sethostname(name, strlen(name)) < 0)
		return -errno;
	len = snprintf(line, sizeof(line), "%s\n", name);
	ret = conffile_is_plain(agent->root_fd, HOSTNAME);
	if (!ret)
		ret = conffile_write(agent->root_fd, HOSTNAME, line,
				     (size_t)len);
	ret = task_result(HOSTNAME, ret);
	return ret < 0 ? ret : 0;
}

static bool is_our_host(const char *line, size_t len)
{
	size_t ours = strlen(OURS);

	return len >= ours && !memcmp(line + len - ours, OURS, ours);
}

int nameconf_hosts(struct agent *agent)
{
	const char *name = agent->id.guest.hostname;
	int short_len = (int)strcspn(name, ".");
	char line[2 * VMFORK_NAME_MAX + 32];

	if (!*name)
		return SETTLE_NOTHING;
	if (name[short_len])
		snprintf(line, sizeof(line), "127.0.1.1\t%s %.*s\t" OURS "\n",
			 name, short_len, name);
	else
		snprintf(line, sizeof(line), "127.0.1.1\t%s\t" OURS "\n", name);
	return task_result(
		HOSTS, conffile_edit(agent->root_fd, HOSTS, is_our_host, line));
}

static bool has_keyword(const char *line, size_t len, const char *word)
{
	size_t word_len = strlen(word);

	return len > word_len && !memcmp(line, word, word_len) &&
	       (line[word_len] == ' ' || line[word_len] == '\t');
}

static bool is_server(const char *line, size_t len)
{
	return has_keyword(line, len, "nameserver");
}

/* resolv.conf(5): the last of the two words wins. */
static bool is_search(const char *line, size_t len)
{
	return has_keyword(line, len, "search") ||
	       has_keyword(line, len, "domain");
}

static bool is_either(const char *line, size_t len)
{
	return is_server(line, len) || is_search(line, len);
}

/* At most three servers and one search line: it fits. */
static void resolv_format(const struct identity_guest *guest, char *text,
			  size_t size)
{
	char name[INET6_ADDRSTRLEN];
	size_t len = 0;

	*text = '\0';
	for (unsigned int i = 0; i < guest->num_dns4; i++) {
		inet_ntop(AF_INET, guest->dns4[i], name, sizeof(name));
		len += (size_t)snprintf(text + len, size - len,
					"nameserver %s\n", name);
	}
	for (unsigned int i = 0; i < guest->num_dns6; i++) {
		inet_ntop(AF_INET6, guest->dns6[i], name, sizeof(name));
		len += (size_t)snprintf(text + len, size - len,
					"nameserver %s\n", name);
	}
	if (*guest->search)
		snprintf(text + len, size - len, "search %s\n", guest->search);
}

int nameconf_resolv(struct agent *agent)
{
	const struct identity_guest *guest = &agent->id.guest;
	bool has_servers = guest->num_dns4 || guest->num_dns6;
	char text[VMFORK_SEARCH_MAX + 2 * IDENTITY_DNS_MAX * 64];
	conffile_cb drop = is_either;
	int ret;

	if (!has_servers && !*guest->search)
		return SETTLE_NOTHING;
	if (!has_servers)
		drop = is_search;
	else if (!*guest->search)
		drop = is_server;
	resolv_format(guest, text, sizeof(text));
	ret = conffile_edit(agent->root_fd, RESOLV, drop, text);
	if (ret == -ENOENT)
		ret = conffile_write(agent->root_fd, RESOLV, text,
				     strlen(text));
	return task_result(RESOLV, ret);
}
