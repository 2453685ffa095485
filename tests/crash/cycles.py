"""Anomalies of transactions among each other: cycles of who wrote before whom (G0) and who read whom (G1c)."""

from collections import defaultdict

from model import ABORTED


def checks():
    """All checks of this file."""
    return (write_cycles, information_cycles)


def write_cycles(model):
    """G0: transactions that each wrote before and after the other. Kafka lets producers' writes interleave."""
    follows = defaultdict(set)
    for key, log in model.log.items():
        last = None
        for offset in sorted(log):
            for value in log[offset]:
                send = model.sends.get((key, value))
                txn = send.txn if send is not None else None
                if txn is None or model.transactions[txn].outcome == ABORTED:
                    continue
                if last is not None and last != txn:
                    follows[last].add(txn)
                last = txn
    for cycle in components(follows):
        yield "G0", {"txns": sorted(cycle)}


def information_cycles(model):
    """G1c: transactions that each read what the other wrote. Only reads count: the order of writes says nothing in Kafka."""
    follows = defaultdict(set)
    for poll in model.polls:
        if poll.txn is None or model.transactions[poll.txn].outcome == ABORTED:
            continue
        for _, value in poll.records:
            send = model.sends.get((poll.key, value))
            if send is not None and send.txn not in (None, poll.txn):
                follows[send.txn].add(poll.txn)
    for cycle in components(follows):
        yield "G1c", {"txns": sorted(cycle)}


def components(edges):
    """The strongly connected components of more than one node (Tarjan, without recursion)."""
    index, low, stack, on_stack, found = {}, {}, [], set(), []
    for root in list(edges):
        if root in index:
            continue
        work = [(root, None)]
        while work:
            node, rest = work.pop()
            if rest is None:
                index[node] = low[node] = len(index)
                stack.append(node)
                on_stack.add(node)
                rest = iter(edges.get(node, ()))
            if _descend(node, rest, work, index, low, on_stack):
                continue
            if low[node] == index[node]:
                component = _popped(stack, on_stack, node)
                if len(component) > 1:
                    found.append(component)
            if work:
                parent = work[-1][0]
                low[parent] = min(low[parent], low[node])
    return found


def _descend(node, rest, work, index, low, on_stack):
    """Goes on to the next node that was not visited; False when there is none."""
    for following in rest:
        if following not in index:
            work.append((node, rest))
            work.append((following, None))
            return True
        if following in on_stack:
            low[node] = min(low[node], index[following])
    return False


def _popped(stack, on_stack, node):
    component = set()
    while node not in component:
        component.add(stack.pop())
    on_stack -= component
    return component
