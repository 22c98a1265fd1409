// SPDX-License-Identifier: MIT
/* The sets of filter.h read back: who has spoken, and what nobody leases. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "net/filter.h"
#include "net/mode.h"
#include "net/nft.h"
#include "net/record.h"

/* so many fit one send by far: see PORTS_PER_RUN of pin.c */
#define ELEMENTS_PER_RUN 200

/* One element, in jansson's words; valid as long as the document is. */
struct element {
	const char *set; /* what follows the bridge's name and a dot */
	const char *family;
	const char *tap;
	json_t *fields; /* array of the concatenation, or NULL */
	json_int_t packets;
};

typedef int (*element_cb)(const struct element *element, void *ctx);

static int element_parse(json_t *json, struct element *element)
{
	json_t *elem = json_object_get(json, "elem");
	json_t *val = elem ? json_object_get(elem, "val") : json;
	json_t *counter = json_object_get(elem, "counter");

	element->packets =
		json_integer_value(json_object_get(counter, "packets"));
	element->fields = json_object_get(val, "concat");
	element->tap = json_string_value(
		element->fields ? json_array_get(element->fields, 0) : val);
	return element->tap && element->family ? 0 : -EBADMSG;
}

static int elements_visit(const struct net_conf *conf, json_t *sets,
			  element_cb cb, void *ctx, struct vf_err *err)
{
	size_t len = strlen(conf->bridge), i, j;
	struct element element;
	json_t *part, *json;
	const char *name;
	int ret = 0;

	json_array_foreach(sets, i, part) {
		json_t *set = json_object_get(part, "set");

		name = json_string_value(json_object_get(set, "name"));
		if (!name || strncmp(name, conf->bridge, len) ||
		    name[len] != '.')
			continue;
		element.set = name + len + 1;
		element.family =
			json_string_value(json_object_get(set, "family"));
		json_array_foreach(json_object_get(set, "elem"), j, json) {
			if (ret == 0)
				ret = element_parse(json, &element);
			if (ret == 0)
				ret = cb(&element, ctx);
		}
	}
	return ret < 0 ? vf_err_errno(err, ret, "nftables: set of %s",
				      conf->bridge)
		       : 0;
}

/* Ports by TAP name, to be found among many elements. */
struct port_index {
	struct net_port **ports;
	unsigned int num;
};

static int port_compare(const void *a, const void *b)
{
	return strcmp((*(struct net_port *const *)a)->tap,
		      (*(struct net_port *const *)b)->tap);
}

static int index_init(struct port_index *index, struct net_port *ports,
		      unsigned int num, struct vf_err *err)
{
	index->num = num;
	index->ports = calloc(num + 1, sizeof(*index->ports));
	if (!index->ports)
		return vf_err_errno(err, ENOMEM, "ports");
	for (unsigned int i = 0; i < num; i++)
		index->ports[i] = &ports[i];
	qsort(index->ports, num, sizeof(*index->ports), port_compare);
	return 0;
}

static void index_exit(struct port_index *index)
{
	free(index->ports);
}

static struct net_port *index_find(const struct port_index *index,
				   const char *tap)
{
	struct net_port key, *key_ptr = &key, **found;

	if (strlen(tap) >= sizeof(key.tap))
		return NULL;
	strcpy(key.tap, tap);
	found = bsearch(&key_ptr, index->ports, index->num,
			sizeof(*index->ports), port_compare);
	return found ? *found : NULL;
}

/* A field of an element, counted from its end; empty if it is no text. */
static const char *field_text(const struct element *element, size_t from_end)
{
	size_t num = json_array_size(element->fields);
	const char *text = NULL;

	if (from_end <= num)
		text = json_string_value(
			json_array_get(element->fields, num - from_end));
	return text ? text : "";
}

static int count_cb(const struct element *element, void *ctx)
{
	struct net_port *port = index_find(ctx, element->tap);
	char mac[MAC_TEXT_SIZE];
	struct in6_addr addr6;
	struct in_addr addr4;
	const char *addr;

	if (!port || !element->packets)
		return 0;
	mac_format(mac, port->mac);
	if (strcmp(json_string_value(json_array_get(element->fields, 1)) ?: "",
		   mac))
		return 0;
	addr = field_text(element, 1);
	if (inet_pton(AF_INET, addr, &addr4) == 1)
		port->verified |= net_port_has(port, net_addr_map(addr4));
	else if (inet_pton(AF_INET6, addr, &addr6) == 1)
		port->verified |= net_port_has(port, addr6);
	return 0;
}

/* One by one: libnftables 1.0.6 fetches only the last of several sets. */
static int sets_read(const struct net_conf *conf, const char *const *names,
		     json_t **sets, struct vf_err *err)
{
	const struct mode_ops *mode = mode_of(conf);
	__json json_t *all = json_array();
	char command[128];
	int ret;

	for (; *names; names++) {
		__json json_t *part = NULL;

		snprintf(command, sizeof(command),
			 "list set %s " NFT_TABLE " %s.%s\n",
			 strcmp(*names, "arp") ? mode->family
					       : mode->arp_family,
			 conf->bridge, *names);
		ret = nft_read(command, &part, err);
		if (ret < 0)
			return ret;
		if (json_array_extend(all, part) < 0)
			return vf_err_errno(err, ENOMEM, "nftables");
	}
	*sets = vf_steal(&all);
	return 0;
}

int filter_ports_count(const struct net_conf *conf, struct net_port *ports,
		       unsigned int num, struct vf_err *err)
{
	static const char *const names[] = { "ip4", "ip6", "arp", NULL };
	__cleanup(index_exit) struct port_index index = { 0 };
	__json json_t *sets = NULL;
	int ret;

	for (unsigned int i = 0; i < num; i++)
		ports[i].verified = false;
	ret = index_init(&index, ports, num, err);
	if (ret < 0)
		return ret;
	ret = sets_read(conf, names, &sets, err);
	if (ret < 0)
		return ret;
	return elements_visit(conf, sets, count_cb, &index, err);
}

int filter_read(const struct net_conf *conf, json_t **sets, struct vf_err *err)
{
	/*
	 * A port comes into all sets at once. The one by which a sweep knows
	 * it is read last: whatever the others had, that has too.
	 */
	static const char *const names[] = { "ip4", "arp", "nd", "ll",
					     "tap", "ip6", NULL };

	return sets_read(conf, names, sets, err);
}

struct sweep {
	const struct net_conf *conf;
	const struct leases *leases;
	json_t *known; /* object: TAP names that a lease's MAC accounts for */
	json_t *told;  /* object: TAP names that were reported */
	json_t *removed;
	FILE *out;
	char *text;
	size_t size;
	unsigned int num; /* elements in this transaction */
};

static int sweep_begin(struct sweep *sweep)
{
	sweep->num = 0;
	sweep->out = open_memstream(&sweep->text, &sweep->size);
	return sweep->out ? 0 : -ENOMEM;
}

static int sweep_run(struct sweep *sweep)
{
	struct vf_err err;
	int ret = -ENOMEM;

	if (fclose(sweep->out) == 0)
		ret = sweep->num ? nft_run(sweep->text, &err) : 0;
	free(sweep->text);
	sweep->out = NULL;
	return ret == -ENOENT ? 0 : ret;
}

/*
 * A TAP may have another name than its lease says (net_port_open()): what
 * counts is that an address element of its holds the MAC of a lease. Each port
 * has one in the set ip6, if only for its link-local address.
 */
static int known_cb(const struct element *element, void *ctx)
{
	struct sweep *sweep = ctx;
	const char *text =
		json_string_value(json_array_get(element->fields, 1));
	uint8_t mac[6];

	if (strcmp(element->set, "ip6") || !text || mac_parse(mac, text) < 0)
		return 0;
	for (size_t i = 0; i < sweep->leases->num; i++) {
		if (memcmp(sweep->leases->ports[i].mac, mac, sizeof(mac)))
			continue;
		return json_object_set_new(sweep->known, element->tap,
					   json_true()) < 0
			       ? -ENOMEM
			       : 0;
	}
	return 0;
}

/* Raw payload fields come back as numbers, or as hexadecimal text if long. */
static void field_print(FILE *out, json_t *field)
{
	if (json_is_integer(field))
		fprintf(out, " . 0x%llx",
			(unsigned long long)json_integer_value(field));
	else
		fprintf(out, " . %s", json_string_value(field) ?: "0");
}

static void element_print(FILE *out, const char *verb,
			  const struct net_conf *conf,
			  const struct element *element)
{
	json_t *field;
	size_t i;

	fprintf(out, "%s element %s " NFT_TABLE " %s.%s { \"%s\"", verb,
		element->family, conf->bridge, element->set, element->tap);
	json_array_foreach(element->fields, i, field) {
		if (i)
			field_print(out, field);
	}
	fputs(" }\n", out);
}

/* A TAP is in the set of all networks too, and in that of ARP. */
static void tap_sweep_print(FILE *out, const struct net_conf *conf,
			    const char *tap)
{
	const struct mode_ops *mode = mode_of(conf);
	struct element in_arp = { .set = "tap",
				  .family = mode->arp_family,
				  .tap = tap };

	for (int i = 0; i < 2; i++)
		fprintf(out,
			"%s element %s " NFT_TABLE " " NFT_GUARD_SET
			" { \"%s\" }\n",
			i ? "delete" : "add", mode->family, tap);
	if (conf->mode != NET_MODE_ROUTED)
		return;
	element_print(out, "add", conf, &in_arp);
	element_print(out, "delete", conf, &in_arp);
}

static int sweep_cb(const struct element *element, void *ctx)
{
	struct sweep *sweep = ctx;
	int ret;

	if (json_object_get(sweep->known, element->tap))
		return 0;
	if (sweep->num++ == ELEMENTS_PER_RUN) {
		ret = sweep_run(sweep);
		if (ret < 0 || sweep_begin(sweep) < 0)
			return ret < 0 ? ret : -ENOMEM;
		sweep->num = 1;
	}
	/* add first: its own command may have deleted it meanwhile */
	element_print(sweep->out, "add", sweep->conf, element);
	element_print(sweep->out, "delete", sweep->conf, element);
	if (!strcmp(element->set, "tap"))
		tap_sweep_print(sweep->out, sweep->conf, element->tap);
	if (json_object_get(sweep->told, element->tap))
		return 0;
	json_array_append_new(sweep->removed,
			      json_sprintf("network %s: rules of %s",
					   sweep->conf->name, element->tap));
	return json_object_set_new(sweep->told, element->tap, json_true()) < 0
		       ? -ENOMEM
		       : 0;
}

int filter_sweep(const struct net_conf *conf, json_t *sets,
		 const struct leases *leases, json_t *removed,
		 struct vf_err *err)
{
	__json json_t *known = json_object(), *told = json_object();
	struct sweep sweep = { .conf = conf,
			       .leases = leases,
			       .known = known,
			       .told = told,
			       .removed = removed };
	int ret, run_ret;

	if (sweep_begin(&sweep) < 0)
		return vf_err_errno(err, ENOMEM, "nftables");
	ret = elements_visit(conf, sets, known_cb, &sweep, err);
	if (ret == 0)
		ret = elements_visit(conf, sets, sweep_cb, &sweep, err);
	if (!sweep.out)
		return ret;
	run_ret = sweep_run(&sweep);
	if (ret == 0 && run_ret < 0)
		ret = vf_err_errno(err, run_ret, "nftables: set of %s",
				   conf->bridge);
	return ret;
}
