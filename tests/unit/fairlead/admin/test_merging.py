"""Answers of several workers as one."""

from fairlead.admin.merging import merge_metrics, merge_pages


def test_what_each_has_for_itself_is_put_together() -> None:
    merged = merge_pages("/debug/proxies", {1: [{"proxy": "a"}], 2: [{"proxy": "b"}, {"proxy": "c"}]})
    assert merged == [{"proxy": "a", "worker": 1}, {"proxy": "b", "worker": 2}, {"proxy": "c", "worker": 2}]


def test_pushes_are_in_order_of_time() -> None:
    merged = merge_pages("/debug/pushes", {1: [{"at": 3}, {"at": 1}], 2: [{"at": 2}]})
    assert [push["at"] for push in merged] == [3, 2, 1]


def test_counted_lists_are_counted_again() -> None:
    pages = {1: {"totalClients": 1, "clients": [{"id": "a"}]}, 2: {"totalClients": 1, "clients": [{"id": "b"}]}}
    merged = merge_pages("/debug/adsz", pages)
    assert merged["totalClients"] == 2
    assert [client["worker"] for client in merged["clients"]] == [1, 2]


def test_what_all_have_alike_is_shown_once() -> None:
    assert merge_pages("/debug/findings", {1: [{"code": "X"}], 2: [{"code": "X"}]}) == [{"code": "X"}]


def test_the_state_of_each_is_told_apart() -> None:
    assert merge_pages("/debug/loop", {1: {"late": 0}, 2: {"late": 3}}) == {
        "workers": {"1": {"late": 0}, "2": {"late": 3}}
    }


def test_metrics_get_a_label_and_families_stay_together() -> None:
    one = '# HELP a A\n# TYPE a gauge\na 1.0\n# HELP b B\n# TYPE b counter\nb_total{type="cds"} 2.0\n'
    two = "# HELP a A\n# TYPE a gauge\na 3.0\n# HELP c C\n# TYPE c gauge\nc 0.0\n"
    assert merge_metrics({1: one, 2: two}).splitlines() == [
        "# HELP a A",
        "# TYPE a gauge",
        'a{worker="1"} 1.0',
        'a{worker="2"} 3.0',
        "# HELP b B",
        "# TYPE b counter",
        'b_total{worker="1",type="cds"} 2.0',
        "# HELP c C",
        "# TYPE c gauge",
        'c{worker="2"} 0.0',
    ]
