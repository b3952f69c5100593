"""What the harness's own work costs as the number of cells grows: all steps run, and the figures are kept."""

import json

from benchmarks.speed import scale, side_by_side


def test_each_step_is_measured_for_each_size(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(side_by_side, 'RESULTS', tmp_path)
    scale.main([4, 12])
    kept = json.loads((tmp_path / 'scale.json').read_text())
    assert [line['ours'] for line in kept['lines']] == ['schedule', 'store', 'resume', 'estimate']
    assert kept['lines'][0]['reference'] == '3 × 4 cells' and kept['sizes']['12']['stages'] == 38
    assert set(kept['exponents']) == {'schedule', 'store', 'resume', 'estimate'}
    assert 'memory, resume' in capsys.readouterr().out and kept['sizes']['12']['resume_mib'] > 0
