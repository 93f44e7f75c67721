"""MAC's units against the paper's formulas, written out question by question and cell by cell."""

import torch
from torch.nn import functional as F

from tests.vqa.toy import TOY
from vqa.systems.mac import MAC, ControlUnit, ReadUnit, WriteUnit

Q, N, T, D = 3, 5, 4, 6


def test_the_read_unit_is_the_papers_formula():
    unit = ReadUnit(D)
    memory, control, knowledge = torch.randn(Q, D), torch.randn(Q, D), torch.randn(Q, N, D)
    read = unit(memory, control, *unit.prepare(knowledge))
    halves = torch.cat([unit.interaction.weight, unit.plain.weight], dim=1)
    for q in range(Q):
        scores = []
        for cell in knowledge[q]:
            related = unit.memory(memory[q]) * unit.key(cell)
            both = halves @ torch.cat([related, cell]) + unit.plain.bias
            scores.append(unit.score(F.elu(control[q] * F.elu(both))))
        weights = torch.cat(scores).softmax(0)
        expected = sum(w * cell for w, cell in zip(weights, knowledge[q], strict=True))
        torch.testing.assert_close(read[q], expected)


def test_the_control_unit_attends_to_words_and_never_to_padding():
    unit = ControlUnit(D)
    before, question, words = torch.randn(Q, D), torch.randn(Q, D), torch.randn(Q, T, D)
    tokens = torch.tensor([[1, 2, 3, 4], [1, 2, 0, 0], [1, 0, 0, 0]])
    control = unit(before, question, words, tokens)
    for q, length in enumerate((4, 2, 1)):
        wanted = unit.both(torch.cat([before[q], question[q]]))
        scores = [unit.score(wanted * word) for word in words[q, :length]]
        weights = torch.cat(scores).softmax(0)
        expected = sum(w * word for w, word in zip(weights, words[q], strict=False))
        torch.testing.assert_close(control[q], expected)


def test_the_write_unit_joins_what_was_read_with_the_memory():
    unit = WriteUnit(D, self_attention=False)
    read, memories, controls = torch.randn(Q, D), [torch.randn(Q, D)], [torch.randn(Q, D)] * 2
    expected = unit.both(torch.cat([read, memories[0]], dim=1))
    torch.testing.assert_close(unit(read, memories, controls), expected)


def test_self_attention_writes_what_was_remembered_under_like_controls():
    unit = WriteUnit(D, self_attention=True)
    read = torch.randn(Q, D)
    memories, controls = ([torch.randn(Q, D) for _ in range(n)] for n in (3, 4))
    written = unit(read, memories, controls)
    for q in range(Q):
        plain = unit.both(torch.cat([read[q], memories[-1][q]]))
        alike = [unit.score(controls[-1][q] * before[q]) for before in controls[:-1]]
        weights = torch.cat(alike).softmax(0)
        attended = sum(w * m[q] for w, m in zip(weights, memories, strict=True))
        torch.testing.assert_close(written[q], unit.earlier(torch.cat([attended, plain])))


def test_self_attention_is_off_unless_asked_for_and_then_learns():
    assert not any("earlier" in name for name, _ in MAC(TOY, 10, 4).named_parameters())
    model = MAC(TOY, 10, 4, self_attention=True)
    model(torch.rand(2, 3, 16, 16), torch.tensor([[1, 5, 2], [1, 2, 0]])).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.any(), name
