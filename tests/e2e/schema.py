"""Validates JSON against a schema: of draft 7 what ours is made of, anything
else in a schema is an error.  Where python3-jsonschema is, it has to agree."""
import json
import re

try:
    import jsonschema
except ImportError:
    jsonschema = None

NOTES = {"$schema", "title", "description", "definitions"}
TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float))
    and not isinstance(v, bool),
}


class Invalid(Exception):
    pass


def need(true, where, what):
    if not true:
        raise Invalid("%s: %s" % (where or "record", what))


def check(value, schema, root, where=""):
    for word, wanted in schema.items():
        if word in NOTES:
            continue
        if word == "$ref":
            name = re.fullmatch("#/definitions/(.*)", wanted).group(1)
            check(value, root["definitions"][name], root, where)
        elif word == "type":
            need(TYPES[wanted](value), where, "no " + wanted)
        elif word == "const":
            need(value == wanted and type(value) is type(wanted), where,
                 "not %r" % wanted)
        elif word == "enum":
            need(value in wanted, where, "none of %r" % wanted)
        elif word == "pattern":
            need(re.search(wanted, value), where, "not like " + wanted)
        elif word == "minimum":
            need(value >= wanted, where, "below %r" % wanted)
        elif word == "maximum":
            need(value <= wanted, where, "above %r" % wanted)
        elif word == "minItems":
            need(len(value) >= wanted, where, "fewer than %d" % wanted)
        elif word == "required":
            for name in wanted:
                need(name in value, where, "no \"%s\"" % name)
        elif word == "dependencies":
            for name, others in wanted.items():
                need(name not in value or all(o in value for o in others),
                     where, "\"%s\" without %r" % (name, others))
        elif word == "properties":
            for name in wanted.keys() & value.keys():
                check(value[name], wanted[name], root, where + "." + name)
        elif word == "additionalProperties":
            assert wanted is False
            for name in value:
                need(name in schema["properties"], where,
                     "what is \"%s\"?" % name)
        elif word == "items":
            for i, item in enumerate(value):
                check(item, wanted, root, "%s[%d]" % (where, i))
        else:
            raise AssertionError("keyword " + word)


class Schema:
    def __init__(self, path):
        with open(path) as file:
            self.root = json.load(file)
        self.other = jsonschema and jsonschema.Draft7Validator(self.root)
        if self.other:
            self.other.check_schema(self.root)

    def validate(self, value):
        """Raises Invalid."""
        try:
            check(value, self.root, self.root)
        except Invalid:
            assert not (self.other and self.other.is_valid(value)), value
            raise
        if self.other:
            self.other.validate(value)
