"""A graph convolutional network (Kipf & Welling, arXiv:1609.02907) that labels the nodes of a graph from few labels.

In the manner of PyTorch's example; the adjacency matrix is dense, and the graph is drawn: communities whose nodes are
linked among themselves more often than with others, and use some words more often.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import Adam


class GraphConv(nn.Module):
    def __init__(self, input_dim, output_dim, use_bias=False):
        super().__init__()
        self.kernel = nn.Parameter(torch.Tensor(input_dim, output_dim))
        nn.init.xavier_normal_(self.kernel)
        self.bias = None
        if use_bias:
            self.bias = nn.Parameter(torch.Tensor(output_dim))
            nn.init.zeros_(self.bias)

    def forward(self, input_tensor, adj_mat):
        support = torch.mm(input_tensor, self.kernel)
        output = torch.mm(adj_mat, support)
        return output if self.bias is None else output + self.bias


class GCN(nn.Module):
    def __init__(self, rng, input_dim, hidden_dim, output_dim, use_bias=True, dropout_p=0.5):
        super().__init__()
        self.rng, self.p = rng, dropout_p
        self.gc1 = GraphConv(input_dim, hidden_dim, use_bias=use_bias)
        self.gc2 = GraphConv(hidden_dim, output_dim, use_bias=use_bias)

    def forward(self, input_tensor, adj_mat):
        x = F.relu(self.gc1(input_tensor, adj_mat))
        if self.training:  # dropout that NumPy draws
            x = x * torch.from_numpy(self.rng.random(tuple(x.shape)) >= self.p).to(x.dtype) / (1 - self.p)
        return F.log_softmax(self.gc2(x, adj_mat), dim=1)


def graph(nodes, words, classes=5):
    """Words of each node (nodes, words), 0 or 1; who is linked with whom (nodes, nodes); labels (nodes)."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, nodes)
    habit = rng.uniform(0.02, 0.08, (classes, words))
    features = rng.random((nodes, words)) < habit[labels]
    linked = np.where(labels[:, None] == labels, 16.0 / nodes, 1.0 / nodes)
    upper = np.triu(rng.random((nodes, nodes)) < linked, 1)
    return features, upper | upper.T, labels


def normalized(adjacency):
    """D^-1/2 (A + I) D^-1/2."""
    adj_mat = torch.from_numpy(adjacency).to(torch.get_default_dtype()) + torch.eye(len(adjacency))
    degree = adj_mat.sum(dim=1).pow(-0.5)
    return degree.unsqueeze(1) * adj_mat * degree


def tensors(nodes, words):
    features, adjacency, labels = graph(nodes, words)
    x = torch.from_numpy(features).to(torch.get_default_dtype())
    x = x / x.sum(dim=1, keepdim=True).clamp(min=1)
    return x, normalized(adjacency), torch.from_numpy(labels).long()


def make(rng, words=400, hidden=16):
    return GCN(rng, words, hidden, 5)


def train(model, rng, nodes=1500, words=400, epochs=100):
    x, adj_mat, labels = tensors(nodes, words)
    known = torch.arange(100)
    optimizer = Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    criterion = nn.NLLLoss()
    for _ in range(epochs):
        model.train()
        optimizer.zero_grad()
        loss = criterion(model(x, adj_mat)[known], labels[known])
        loss.backward()
        optimizer.step()
        yield loss.item()


@torch.no_grad()
def result(model, rng, nodes=1500, words=400):
    model.eval()
    x, adj_mat, labels = tensors(nodes, words)
    predicted = model(x, adj_mat)[100:].max(dim=1)[1]
    return {"accuracy on unlabelled nodes": (predicted == labels[100:]).double().mean().item()}
