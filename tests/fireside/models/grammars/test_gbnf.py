from __future__ import annotations

import ctypes
import random
from collections.abc import Callable
from typing import Any

import llama_cpp
import pytest

from fireside.errors import ModelError
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.gguf import log
from fireside.models.grammars.gbnf import grammar_of_gbnf
from fireside.models.grammars.lark import lark_of
from fireside.models.grammars.nodes import Lexeme, Literal, Node, walk

Accepts = Callable[[Node, str], bool]

JSON = r"""
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) # escapes
  )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
# one space, or a line and an indentation
ws ::= | " " | "\n" [ \t]{0,20}
"""
GRAMMARS = {
    "choice": 'root ::= "yes" | "no"\n',
    "list": 'root ::= item{2,3}\nitem ::= "- " [^\\r\\n\\x0b\\x0c\\x85\\u2028\\u2029]+ "\\n"',
    "json": JSON,
    "arithmetic": 'root ::= (expr "=" ws term "\\n")+\nexpr ::= term ([-+*/] term)*\n'
    'term ::= ident | num | "(" ws expr ")" ws\n'
    "ident ::= [a-z] [a-z0-9_]* ws\nnum ::= [0-9]+ ws\nws ::= [ \\t\\n]*\n",
    "greedy": 'root ::= "(" root ")" | word\nword ::= [a-z]* "b" word? ";"',
    "greedy at the end": 'root ::= "(" root ")" | "[" [a-c]* "abc" [x-z]?',
    "other letters": 'root ::= [あ-んア-ン]{1,3} "。" | "[" root "]" | "\\U0001F525" .',
    "empty": 'root ::= "" | "a" root "b"',
}


@pytest.fixture(scope="module")
def vocabulary() -> Any:
    log.collect(llama_cpp)
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(str(located(CHAT_MODEL)).encode(), parameters)
    return llama_cpp.llama_model_get_vocab(model)


@pytest.mark.engine
@pytest.mark.parametrize("name", GRAMMARS)
def test_a_grammar_allows_what_llama_cpp_allows(name: str, vocabulary: Any) -> None:
    """Byte by byte along random texts, the same bytes can follow in llama.cpp's own sampler."""
    import llguidance

    grammar = GRAMMARS[name]
    codes = [0x09, 0x0A, *range(0x20, 0x7F)]  # those that the model has tokens for
    single = {code: _token(vocabulary, chr(code)) for code in codes}
    lark = llguidance.LLMatcher.grammar_from_lark(lark_of(grammar_of_gbnf(grammar)))
    tokenizer: Any = llguidance.LLTokenizer("byte")
    chance = random.Random(name)
    for _ in range(6):
        ours = llguidance.LLMatcher(tokenizer, lark)
        theirs = llama_cpp.llama_sampler_init_grammar(vocabulary, grammar.encode(), b"root")
        assert theirs
        for _ in range(25):
            allowed = _allowed(theirs, [*single.values(), llama_cpp.llama_vocab_eos(vocabulary)])
            assert [bool(ours.validate_tokens([code])) for code in codes] == allowed[:-1]
            assert ours.is_accepting() == allowed[-1]
            following = [code for code, can in zip(codes, allowed, strict=False) if can]
            if not following:
                break
            code = chance.choice([*following[:2], *following[-3:], chance.choice(following)])
            llama_cpp.llama_sampler_accept(theirs, single[code])
            assert ours.consume_token(code)
        llama_cpp.llama_sampler_free(theirs)


def _token(vocabulary: Any, character: str) -> int:
    buffer = (llama_cpp.llama_token * 8)()
    count = llama_cpp.llama_tokenize(vocabulary, character.encode(), 1, buffer, 8, False, False)
    assert count == 1
    return buffer[0]


def _allowed(sampler: Any, tokens: list[int]) -> list[bool]:
    data = (llama_cpp.llama_token_data * len(tokens))()
    for place, token in enumerate(tokens):
        data[place].id, data[place].logit = token, 0.0
    array = llama_cpp.llama_token_data_array(data=data, size=len(tokens), selected=-1, sorted=False)
    llama_cpp.llama_sampler_apply(sampler, ctypes.byref(array))
    return [data[place].logit > float("-inf") for place in range(len(tokens))]


def test_texts_of_other_letters(accepts: Accepts) -> None:
    root = grammar_of_gbnf(GRAMMARS["other letters"])
    assert accepts(root, "[[あン。]]")
    assert accepts(root, "🔥\n")
    assert not accepts(root, "[あン。]]")
    assert not accepts(root, "[a。]")


def test_a_lexer_that_is_too_greedy_is_given_single_characters() -> None:
    """`[a-z]*` would swallow the `b` behind it; in the JSON grammar no piece can be taken for another."""
    assert not [node for node in walk(grammar_of_gbnf(GRAMMARS["greedy"])) if isinstance(node, Lexeme)]
    pieces = [node for node in walk(grammar_of_gbnf(JSON)) if isinstance(node, Lexeme)]
    assert len(pieces) > 5
    literals = [node for node in walk(grammar_of_gbnf(GRAMMARS["greedy"])) if isinstance(node, Literal)]
    assert all(len(node.text) <= 1 for node in literals)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rule named root"),
        ("root", "line 1.*should be ::="),
        ("root ::= (", "should be \\)"),
        ("root ::= x", "'x', which it does not define"),
        ('x ::= "a"', "no rule named root"),
        ('root ::= x\nx ::= root "a" | "b"', "begins with itself"),
        ('root ::= "a" root', "never comes to an end"),
        ("root ::= [z-a]", "holds no character"),
        ('root ::= "abc', "ends within a text"),
        ("root ::= <[1]>", "single tokens"),
        ('root ::= "a"{3,1}', "repetition"),
        ('root ::= "a"{100000}', "repetition"),
        ("root ::= [\\q]", "escape is not supported"),
        ('root ::= "\\uD800"', "no character"),
        ('root ::= "a" }', "line 1"),
        ('root ::= "a"\n\nb := "c"', "line 3"),
        ("root ::= " + "(" * 200 + '"a"' + ")" * 200, "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        grammar_of_gbnf(text)
