/* An interpreter of pickle opcodes that builds values and calls nothing. */
#include "pickle.h"

#include "pickle_atoms.h"

#include <string.h>

#define MAX_OPCODES (4u << 20)

struct _DefcnPickle
{
  GPtrArray *values, *texts, *persistent; /* of the machine that read it */
  const DefcnPickleValue *root;
};

static void
value_free (gpointer data)
{
  DefcnPickleValue *v = data;

  if (v->items)
    g_ptr_array_unref (v->items);
  g_free (v);
}

/* None, and containers without entries. */
static gboolean
push_empty (DefcnPickleMachine *m, int type)
{
  return defcn_pickle_machine_push (m, defcn_pickle_machine_value (m, type));
}

static GPtrArray *
items_of (DefcnPickleValue *v)
{
  if (!v->items)
    v->items = g_ptr_array_new ();
  return v->items;
}

/* Moves the @n topmost values to the end of @v's items. */
static gboolean
move_items (DefcnPickleMachine *m, DefcnPickleValue *v, guint n)
{
  const guint first = m->stack->len - n;

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (items_of (v), m->stack->pdata[first + i]);
  g_ptr_array_set_size (m->stack, first);
  return TRUE;
}

/* How many values lie above the topmost mark, which is taken off. */
static gboolean
take_mark (DefcnPickleMachine *m, guint *n)
{
  if (m->marks->len == 0) {
    defcn_pickle_machine_fail (m, "no mark");
    return FALSE; /* said here, so that the compiler knows of @n */
  }
  *n = m->stack->len - defcn_pickle_machine_floor (m);
  g_array_set_size (m->marks, m->marks->len - 1);
  return TRUE;
}

/* A tuple, list or dict of what lies above the mark. */
static gboolean
collect (DefcnPickleMachine *m, int type)
{
  guint n;

  if (!take_mark (m, &n))
    return FALSE;
  if (type == DEFCN_PICKLE_DICT && n % 2)
    return defcn_pickle_machine_fail (m, "a key without a value");
  DefcnPickleValue *v = defcn_pickle_machine_value (m, type);
  return move_items (m, v, n) && defcn_pickle_machine_push (m, v);
}

static gboolean
collect_few (DefcnPickleMachine *m, int n)
{
  DefcnPickleValue *v = defcn_pickle_machine_value (m, DEFCN_PICKLE_TUPLE);

  if (m->stack->len - defcn_pickle_machine_floor (m) < (guint) n)
    return defcn_pickle_machine_fail (m, "its stack is empty");
  return move_items (m, v, n) && defcn_pickle_machine_push (m, v);
}

/* Adds the @n topmost values to the list or dict below them. */
static gboolean
add_items (DefcnPickleMachine *m, guint n, gboolean pairs)
{
  if (m->stack->len - defcn_pickle_machine_floor (m) < n + 1)
    return defcn_pickle_machine_fail (m, "its stack is empty");

  DefcnPickleValue *v = m->stack->pdata[m->stack->len - n - 1];
  const DefcnPickleType wanted = pairs ? DEFCN_PICKLE_DICT : DEFCN_PICKLE_LIST;
  if (v->type != wanted && v->type != DEFCN_PICKLE_OBJECT)
    return defcn_pickle_machine_fail (m, "entries for what has none");
  if (pairs && n % 2)
    return defcn_pickle_machine_fail (m, "a key without a value");
  return move_items (m, v, n);
}

static gboolean
add_one (DefcnPickleMachine *m, int pairs)
{
  return add_items (m, pairs ? 2 : 1, pairs);
}

static gboolean
add_marked (DefcnPickleMachine *m, int pairs)
{
  guint n;

  return take_mark (m, &n) && add_items (m, n, pairs);
}

/* The name that stands for what is called: its own, or one for all results of
 * other calls. */
static const DefcnPickleValue *
name_of (DefcnPickleMachine *m, const DefcnPickleValue *callable)
{
  static const char unnamed[] = "a call's result";

  if (callable->type == DEFCN_PICKLE_GLOBAL)
    return callable;
  DefcnPickleValue *v = defcn_pickle_machine_value (m, DEFCN_PICKLE_GLOBAL);
  v->str = unnamed;
  v->len = strlen (unnamed);
  return v;
}

/* Keeps what would be called. */
static gboolean
push_object (DefcnPickleMachine *m, const DefcnPickleValue *callable,
    const DefcnPickleValue *args)
{
  if ((callable->type != DEFCN_PICKLE_GLOBAL
          && callable->type != DEFCN_PICKLE_OBJECT)
      || args->type != DEFCN_PICKLE_TUPLE)
    return defcn_pickle_machine_fail (m, "a call of what cannot be called");
  DefcnPickleValue *v = defcn_pickle_machine_value (m, DEFCN_PICKLE_OBJECT);
  v->callable = name_of (m, callable);
  v->args = args;
  return defcn_pickle_machine_push (m, v);
}

/* The same, but for the decoding of bytes, which happens. */
static gboolean
reduce (DefcnPickleMachine *m, int unused)
{
  DefcnPickleValue *args = defcn_pickle_machine_pop (m),
                   *callable = args ? defcn_pickle_machine_pop (m) : NULL;

  if (!callable)
    return FALSE;
  if (callable->type != DEFCN_PICKLE_GLOBAL || args->type != DEFCN_PICKLE_TUPLE)
    return push_object (m, callable, args);

  const DefcnPickleValue *first = defcn_pickle_value_at (args, 0);
  if (g_str_equal (callable->str, "_codecs encode")) {
    if (!first || first->type != DEFCN_PICKLE_STRING
        || !(defcn_pickle_value_is (defcn_pickle_value_at (args, 1), "latin1")
            || defcn_pickle_value_is (defcn_pickle_value_at (args, 1),
                "latin-1")))
      return defcn_pickle_machine_fail (m,
          "bytes in another encoding than latin1");
    return defcn_pickle_atoms_latin1 (m, first);
  }

  if (!g_str_has_suffix (callable->str, " bytes") || first)
    return push_object (m, callable, args);
  DefcnPickleValue *v = defcn_pickle_machine_value (m, DEFCN_PICKLE_STRING);
  v->str = "";
  return defcn_pickle_machine_push (m, v);
}

/* A class, a tuple and a dict of named arguments, which are dropped. */
static gboolean
reduce_named (DefcnPickleMachine *m, int unused)
{
  return defcn_pickle_machine_pop (m) && reduce (m, 0);
}

/* A class by @lines, or the first above the mark; the rest there is its
 * arguments. */
static gboolean
instance (DefcnPickleMachine *m, int lines)
{
  guint n;

  if (!take_mark (m, &n))
    return FALSE;
  if (!lines && n == 0)
    return defcn_pickle_machine_fail (m, "its stack is empty");
  DefcnPickleValue *args = defcn_pickle_machine_value (m, DEFCN_PICKLE_TUPLE);
  if (!move_items (m, args, lines ? n : n - 1)
      || (lines && !defcn_pickle_atoms_global_lines (m, 0)))
    return FALSE;
  const DefcnPickleValue *callable = defcn_pickle_machine_pop (m);
  return callable && push_object (m, callable, args);
}

static gboolean
build (DefcnPickleMachine *m, int unused)
{
  const DefcnPickleValue *state = defcn_pickle_machine_pop (m);
  DefcnPickleValue *object = state ? defcn_pickle_machine_top (m) : NULL;

  if (!object)
    return FALSE;
  if (object->type != DEFCN_PICKLE_OBJECT)
    return defcn_pickle_machine_fail (m, "a state for what has none");
  object->state = state;
  return TRUE;
}

static gboolean
push_persistent (DefcnPickleMachine *m, const DefcnPickleValue *id)
{
  DefcnPickleValue *v;

  if (!id)
    return FALSE;
  v = defcn_pickle_machine_value (m, DEFCN_PICKLE_PERSISTENT);
  v->args = id;
  g_ptr_array_add (m->persistent, v);
  return defcn_pickle_machine_push (m, v);
}

static gboolean
put (DefcnPickleMachine *m, guint64 index)
{
  DefcnPickleValue *v = defcn_pickle_machine_top (m);

  if (!v)
    return FALSE;
  if (index >= MAX_OPCODES)
    return defcn_pickle_machine_fail (m,
        "a memo of %" G_GUINT64_FORMAT " entries", index);
  if (index >= m->memo->len)
    g_ptr_array_set_size (m->memo, index + 1);
  m->memo->pdata[index] = v;
  return TRUE;
}

static gboolean
get (DefcnPickleMachine *m, guint64 index)
{
  if (index >= m->memo->len || !m->memo->pdata[index])
    return defcn_pickle_machine_fail (m,
        "entry %" G_GUINT64_FORMAT " of its memo is not there", index);
  return defcn_pickle_machine_push (m, m->memo->pdata[index]);
}

/* The index in the file: @bytes of it, or 0 for a line of text. */
static gboolean
take_index (DefcnPickleMachine *m, guint64 *index, int bytes)
{
  const char *line;
  gsize len;

  if (bytes > 0)
    return defcn_pickle_machine_take_uint (m, index, bytes);
  if (!defcn_pickle_machine_take_line (m, &line, &len))
    return FALSE;
  g_autofree char *text = g_strndup (line, len);
  *index = g_ascii_strtoull (text, NULL, 10);
  return TRUE;
}

static gboolean
put_at (DefcnPickleMachine *m, int bytes)
{
  guint64 index;

  return take_index (m, &index, bytes) && put (m, index);
}

static gboolean
put_next (DefcnPickleMachine *m, int unused)
{
  return put (m, m->memo->len);
}

static gboolean
get_at (DefcnPickleMachine *m, int bytes)
{
  guint64 index;

  return take_index (m, &index, bytes) && get (m, index);
}

static gboolean
take_protocol (DefcnPickleMachine *m, int unused)
{
  guint64 protocol;

  if (!defcn_pickle_machine_take_uint (m, &protocol, 1))
    return FALSE;
  return protocol <= 5
      || defcn_pickle_machine_fail (m,
          "protocol %" G_GUINT64_FORMAT ", 0 to 5 are read", protocol);
}

static gboolean
drop_marked (DefcnPickleMachine *m, int unused)
{
  guint n;

  if (!take_mark (m, &n))
    return FALSE;
  g_ptr_array_set_size (m->stack, m->stack->len - n);
  return TRUE;
}

/* POP takes a mark off where one is on top. */
static gboolean
drop (DefcnPickleMachine *m, int unused)
{
  if (m->marks->len > 0 && m->stack->len == defcn_pickle_machine_floor (m))
    return drop_marked (m, 0);
  return defcn_pickle_machine_pop (m) != NULL;
}

static gboolean
duplicate (DefcnPickleMachine *m, int unused)
{
  DefcnPickleValue *v = defcn_pickle_machine_top (m);

  return v && defcn_pickle_machine_push (m, v);
}

static gboolean
open_mark (DefcnPickleMachine *m, int unused)
{
  g_array_append_val (m->marks, m->stack->len);
  return TRUE;
}

static gboolean
persistent_line (DefcnPickleMachine *m, int unused)
{
  return defcn_pickle_atoms_line (m, 0)
      && push_persistent (m, defcn_pickle_machine_pop (m));
}

static gboolean
persistent_stack (DefcnPickleMachine *m, int unused)
{
  return push_persistent (m, defcn_pickle_machine_pop (m));
}

/* A promise not to write, which nobody does here. */
static gboolean
keep_top (DefcnPickleMachine *m, int unused)
{
  return defcn_pickle_machine_top (m) != NULL;
}

/* A frame is a hint for readers of streams. */
static gboolean
skip_frame (DefcnPickleMachine *m, int unused)
{
  return defcn_pickle_machine_take (m, 8) != NULL;
}

static const struct
{
  gboolean (*run) (DefcnPickleMachine *m, int arg);
  int arg;
} opcodes[256] = {
  [0x80] = { take_protocol },
  [0x95] = { skip_frame },
  ['('] = { open_mark },
  ['0'] = { drop },
  ['1'] = { drop_marked },
  ['2'] = { duplicate },

  ['N'] = { push_empty, DEFCN_PICKLE_NONE },
  [0x88] = { defcn_pickle_atoms_bool, TRUE },
  [0x89] = { defcn_pickle_atoms_bool, FALSE },
  ['I'] = { defcn_pickle_atoms_decimal, FALSE },
  ['L'] = { defcn_pickle_atoms_decimal, TRUE },
  ['K'] = { defcn_pickle_atoms_int, 1 },
  ['M'] = { defcn_pickle_atoms_int, 2 },
  ['J'] = { defcn_pickle_atoms_int, 4 },
  [0x8a] = { defcn_pickle_atoms_long, 1 },
  [0x8b] = { defcn_pickle_atoms_long, 4 },
  ['F'] = { defcn_pickle_atoms_decimal_float },
  ['G'] = { defcn_pickle_atoms_float },

  ['S'] = { defcn_pickle_atoms_quoted },
  ['V'] = { defcn_pickle_atoms_line },
  ['U'] = { defcn_pickle_atoms_bytes, 1 },
  ['C'] = { defcn_pickle_atoms_bytes, 1 },
  [0x8c] = { defcn_pickle_atoms_bytes, 1 },
  ['T'] = { defcn_pickle_atoms_bytes, 4 },
  ['B'] = { defcn_pickle_atoms_bytes, 4 },
  ['X'] = { defcn_pickle_atoms_bytes, 4 },
  [0x8d] = { defcn_pickle_atoms_bytes, 8 },
  [0x8e] = { defcn_pickle_atoms_bytes, 8 },
  [0x96] = { defcn_pickle_atoms_bytes, 8 }, /* bytearray */
  [0x98] = { keep_top },

  [')'] = { push_empty, DEFCN_PICKLE_TUPLE },
  [0x85] = { collect_few, 1 },
  [0x86] = { collect_few, 2 },
  [0x87] = { collect_few, 3 },
  ['t'] = { collect, DEFCN_PICKLE_TUPLE },
  [']'] = { push_empty, DEFCN_PICKLE_LIST },
  ['l'] = { collect, DEFCN_PICKLE_LIST },
  ['a'] = { add_one, FALSE },
  ['e'] = { add_marked, FALSE },
  [0x8f] = { push_empty, DEFCN_PICKLE_LIST }, /* sets */
  [0x90] = { add_marked, FALSE },
  [0x91] = { collect, DEFCN_PICKLE_LIST },
  ['}'] = { push_empty, DEFCN_PICKLE_DICT },
  ['d'] = { collect, DEFCN_PICKLE_DICT },
  ['s'] = { add_one, TRUE },
  ['u'] = { add_marked, TRUE },

  ['c'] = { defcn_pickle_atoms_global_lines },
  [0x93] = { defcn_pickle_atoms_global },
  ['R'] = { reduce },
  [0x81] = { reduce },
  [0x92] = { reduce_named },
  ['i'] = { instance, TRUE },
  ['o'] = { instance, FALSE },
  ['b'] = { build },
  ['P'] = { persistent_line },
  ['Q'] = { persistent_stack },

  ['p'] = { put_at, 0 },
  ['q'] = { put_at, 1 },
  ['r'] = { put_at, 4 },
  [0x94] = { put_next },
  ['g'] = { get_at, 0 },
  ['h'] = { get_at, 1 },
  ['j'] = { get_at, 4 },
};

static gboolean
step (DefcnPickleMachine *m, guint8 opcode)
{
  if (!opcodes[opcode].run)
    return defcn_pickle_machine_fail (m,
        "opcode 0x%02x is not one that files of weights need", opcode);
  return opcodes[opcode].run (m, opcodes[opcode].arg);
}

/* Up to the end mark. */
static gboolean
run (DefcnPickleMachine *m, const DefcnPickleValue **root)
{
  for (guint n = 0; n < MAX_OPCODES; n++) {
    const guint8 *opcode = defcn_pickle_machine_take (m, 1);

    if (!opcode)
      return FALSE;
    if (*opcode == '.')
      return (*root = defcn_pickle_machine_pop (m)) != NULL;
    if (!step (m, *opcode))
      return FALSE;
  }
  return defcn_pickle_machine_fail (m, "more than %u opcodes", MAX_OPCODES);
}

DefcnPickle *
defcn_pickle_parse (const guint8 *data, gsize size, gsize *used,
    const char *where, GError **error)
{
  g_autoptr (DefcnPickle) pickle = g_new0 (DefcnPickle, 1);
  g_autoptr (GPtrArray) stack = g_ptr_array_new ();
  g_autoptr (GPtrArray) memo = g_ptr_array_new ();
  g_autoptr (GArray) marks = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GError) problem = NULL;

  pickle->values = g_ptr_array_new_with_free_func (value_free);
  pickle->texts = g_ptr_array_new_with_free_func (g_free);
  pickle->persistent = g_ptr_array_new ();

  DefcnPickleMachine m = { .data = data,
    .size = size,
    .values = pickle->values,
    .texts = pickle->texts,
    .persistent = pickle->persistent,
    .stack = stack,
    .marks = marks,
    .memo = memo,
    .where = where,
    .error = &problem };
  if (!run (&m, &pickle->root)) {
    g_propagate_error (error, g_steal_pointer (&problem));
    return NULL;
  }
  if (used)
    *used = m.pos;
  return g_steal_pointer (&pickle);
}

void
defcn_pickle_free (DefcnPickle *pickle)
{
  if (!pickle)
    return;
  g_ptr_array_unref (pickle->values);
  g_ptr_array_unref (pickle->texts);
  g_ptr_array_unref (pickle->persistent);
  g_free (pickle);
}

const DefcnPickleValue *
defcn_pickle_root (const DefcnPickle *pickle)
{
  return pickle->root;
}

const DefcnPickleValue *
defcn_pickle_persistent (const DefcnPickle *pickle, guint i)
{
  return i < pickle->persistent->len ? pickle->persistent->pdata[i] : NULL;
}
