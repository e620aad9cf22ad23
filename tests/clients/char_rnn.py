"""A recurrent network that predicts the next character, trained by truncated backpropagation through time.

In the manner of PyTorch's word language model: one long text in parallel columns, whose state is carried along.
"""

import math

import numpy as np
import torch
import torch.nn as nn


class RNNModel(nn.Module):
    def __init__(self, rnn_type, ntoken, ninp, nhid, nlayers):
        super().__init__()
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = getattr(nn, rnn_type)(ninp, nhid, nlayers)
        self.decoder = nn.Linear(nhid, ntoken)
        self.rnn_type, self.nhid, self.nlayers = rnn_type, nhid, nlayers
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, input, hidden):
        output, hidden = self.rnn(self.encoder(input), hidden)
        return self.decoder(output), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        zeros = weight.new_zeros(self.nlayers, bsz, self.nhid)
        return (zeros, weight.new_zeros(self.nlayers, bsz, self.nhid)) if self.rnn_type == "LSTM" else zeros


def repackage_hidden(h):
    """The state without its history."""
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


def batchify(codes, bsz):
    data = torch.from_numpy(codes)
    nbatch = data.size(0) // bsz
    data = data.narrow(0, 0, nbatch * bsz)
    return data.view(bsz, -1).t().contiguous()


def pieces(data, bptt):
    for i in range(0, data.size(0) - 1, bptt):
        length = min(bptt, len(data) - 1 - i)
        yield data[i : i + length], data[i + 1 : i + 1 + length].view(-1)


def make(rng, cell="LSTM", tokens=128, embedding=64, hidden=128, layers=1):
    return RNNModel(cell, tokens, embedding, hidden, layers)


def train(model, rng, codes, epochs=1, batch_size=20, bptt=50, lr=2e-3, clip=0.25):
    criterion = nn.CrossEntropyLoss()
    data = batchify(codes, batch_size)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for _ in range(epochs):
        model.train()
        hidden = model.init_hidden(batch_size)
        for source, targets in pieces(data, bptt):
            model.zero_grad()
            hidden = repackage_hidden(hidden)
            output, hidden = model(source, hidden)
            loss = criterion(output.view(-1, output.size(-1)), targets)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            yield loss.item()


def result(model, rng, codes):
    model.eval()
    criterion = nn.CrossEntropyLoss(reduction="sum")
    data = batchify(codes, 10)
    hidden, total = model.init_hidden(10), 0.0
    with torch.no_grad():
        for source, targets in pieces(data, 100):
            output, hidden = model(source, hidden)
            total += criterion(output.flatten(0, 1), targets).item()
    return {"perplexity per character": math.exp(total / (data.numel() - data.size(1)))}


def codes_of(text):
    """Characters as numbers below 128; what is no ASCII counts as 0."""
    return np.array([ord(c) if ord(c) < 128 else 0 for c in text], np.int64)
